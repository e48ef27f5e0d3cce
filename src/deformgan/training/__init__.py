"""Training: what a run is, one step of it, and the loop around it."""
