"""Commands on skeletons: `deformgan skeleton NAME` is the function `NAME` in the file `NAME.py`."""
