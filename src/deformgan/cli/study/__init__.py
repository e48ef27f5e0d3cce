"""Commands on data sets: `deformgan data NAME` is the function `NAME` in the file `NAME.py`."""
