"""Commands `deformgan study NAME`: each is the function `NAME` in `NAME.py`."""
