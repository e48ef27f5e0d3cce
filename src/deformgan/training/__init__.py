"""Training: run configuration, training step and loop."""
