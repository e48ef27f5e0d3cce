"""L1, L2, perceptual and total variation against their definitions and the authors' numbers."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from deformgan.losses import l1_loss, l2_loss, perceptual_loss, total_variation_loss


def test_l1_l2_and_perceptual_are_means_over_everything():
    generated, target = torch.rand(2, 3, 5, 4), torch.rand(2, 3, 5, 4)
    torch.testing.assert_close(l1_loss(generated, target), F.l1_loss(generated, target))
    torch.testing.assert_close(l2_loss(generated, target), F.mse_loss(generated, target))
    torch.testing.assert_close(perceptual_loss(generated, target), F.l1_loss(generated, target))


def test_total_variation_in_slow_loops():
    image = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    expected = sum(
        (
            (image[b, c, y + 1, x] - image[b, c, y, x]) ** 2
            + (image[b, c, y, x + 1] - image[b, c, y, x]) ** 2
        )
        ** 1.25
        for b in range(2)
        for c in range(3)
        for y in range(3)
        for x in range(4)
    )
    torch.testing.assert_close(total_variation_loss(image), expected)


def test_total_variation_of_a_flat_image_is_zero_with_a_zero_gradient():
    image = torch.full((1, 3, 4, 4), 0.5, requires_grad=True)
    loss = total_variation_loss(image)
    loss.backward()
    assert loss == 0
    assert torch.equal(image.grad, torch.zeros_like(image))


@pytest.mark.parametrize("case", "abcd")
def test_l1_and_total_variation_give_the_authors_numbers(golden, case):
    arrays = np.load(golden / "nn_loss.npz")
    real, fake = (
        torch.from_numpy(arrays[f"{name}_{case}"]).permute(0, 3, 1, 2) for name in ("real", "fake")
    )
    assert l1_loss(fake, real).item() == pytest.approx(arrays[f"l1_{case}"].item(), rel=1e-6)
    variation = total_variation_loss(fake).item()
    assert variation == pytest.approx(arrays[f"tv_{case}"].item(), rel=1e-6)
