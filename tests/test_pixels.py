"""Images and bytes."""

import numpy as np

from deformgan.pixels import to_image, to_photo


def test_bytes_survive_the_way_to_an_image_and_back():
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    np.testing.assert_array_equal(to_photo(to_image(levels)[0]), levels)
