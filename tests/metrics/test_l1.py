"""Mean absolute difference."""

import numpy as np
import pytest
import torch

from deformgan.metrics.l1 import l1


@pytest.mark.parametrize("size", ["128x64", "256x256"])
def test_gives_the_authors_numbers(golden, size):
    arrays = np.load(golden / "ssim.npz")
    generated, target = (
        torch.from_numpy(arrays[f"{side}_{size}"]).permute(0, 3, 1, 2)
        for side in ("generated", "target")
    )
    expected = torch.from_numpy(arrays[f"l1_{size}"])
    torch.testing.assert_close(l1(generated, target), expected, rtol=0, atol=1e-12)


def test_black_against_white_is_two_and_an_image_against_itself_is_zero():
    black = torch.zeros(1, 3, 4, 5, dtype=torch.uint8)
    white = torch.full_like(black, 255)
    assert l1(black, white).item() == 2
    assert l1(white, white).item() == 0
