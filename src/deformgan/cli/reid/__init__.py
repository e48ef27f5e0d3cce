"""Commands `deformgan reid NAME`: each is the function `NAME` in `NAME.py`."""
