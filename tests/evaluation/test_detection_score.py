"""Whether a detector sees a person."""

import pytest
import torch
import torch.nn.functional as F

from deformgan.datasets.bundled_people import bundled_photo_set
from deformgan.detectors.fastestdet import FastestDet
from deformgan.evaluation.detection_score import PersonDetector, detection_score


def brightness(image):
    """A detector to whom light is a person."""
    assert image.shape[2] == 3
    return float(image.mean() / 255)


def test_is_what_the_detector_says_of_every_image_alone():
    images = torch.randint(0, 256, (5, 3, 12, 7), dtype=torch.uint8)
    images[2] = 255
    scores = detection_score(images, brightness)
    assert scores.tolist() == pytest.approx((images / 255.0).mean(dim=(1, 2, 3)).tolist())
    assert scores[2] == 1
    order = torch.tensor([3, 0, 4, 1, 2])
    assert detection_score(images[order], brightness).equal(scores[order])


def test_fastestdet_sees_people_and_nobody_in_blobs_and_plain_colours(outside_weights):
    pytest.importorskip("onnxruntime", reason="needs the extra pose")
    detector = FastestDet(outside_weights / "FastestDet.onnx")
    assert isinstance(detector, PersonDetector)
    people = detection_score(bundled_photo_set().images[:8], detector)
    assert people.mean() > 0.7
    # Noise of single pixels will not do: a narrow busy picture on grey looks like somebody.
    blobs = F.interpolate(torch.rand(8, 3, 8, 4), size=(128, 64), mode="bilinear")
    plain = torch.linspace(0, 1, 8)[:, None, None, None].expand(8, 3, 128, 64)
    for nobody in (blobs, plain):
        assert detection_score((255 * nobody).to(torch.uint8), detector).max() < 0.4
