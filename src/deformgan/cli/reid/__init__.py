"""The commands `deformgan reid ...`."""
