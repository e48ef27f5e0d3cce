"""Image quality and retrieval metrics, one per file.

`evaluation.protocol` and `evaluation.available_metrics` select those of a report and their
settings.
"""
