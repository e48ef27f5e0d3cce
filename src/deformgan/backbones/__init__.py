"""Frozen networks used as feature extractors by losses and metrics."""
