"""Numbers for how near a generated picture is to the real one; each file is one.

Which of them a report has, and with which settings, `evaluation.protocol` and
`evaluation.gather_measures` say.
"""
