"""Commands `deformgan data NAME`: each is the function `NAME` in `NAME.py`."""
