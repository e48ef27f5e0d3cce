"""Evaluation: protocols, scores with confidence intervals, comparisons and figures."""
