"""Peak signal-to-noise ratio."""

import math

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from deformgan.metrics.psnr import psnr


def test_equals_scikit_image_for_every_image_of_a_batch():
    generated = torch.randint(0, 256, (3, 3, 9, 7), dtype=torch.uint8)
    target = torch.randint(0, 256, (3, 3, 9, 7), dtype=torch.uint8)
    for value, ours, photo in zip(psnr(generated, target), generated, target, strict=True):
        expected = peak_signal_noise_ratio(photo.numpy(), ours.numpy(), data_range=255)
        assert value.item() == pytest.approx(expected, abs=1e-10)


def test_an_image_against_itself_is_infinite():
    image = torch.randint(0, 256, (1, 3, 9, 7), dtype=torch.uint8)
    assert psnr(image, image).item() == math.inf
