"""Commands `deformgan skeleton NAME`: each is the function `NAME` in `NAME.py`."""
