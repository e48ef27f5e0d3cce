"""Image quality and retrieval metrics, one per file.

`evaluation.protocol` and `evaluation.gather_measures` select those of a report and their settings.
"""
