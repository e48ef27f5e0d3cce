"""OpenCV's HOG on noise and on people."""

import sys

import numpy as np
import pytest
from PIL import Image

from deformgan.detectors.hog import Hog
from deformgan.errors import InputError
from deformgan.evaluation.detection_score import PersonDetector


@pytest.fixture(scope="module")
def detector():
    cv2 = pytest.importorskip("cv2", reason="needs the extra eval")
    assert hasattr(cv2, "HOGDescriptor"), "this build of OpenCV is not opencv-contrib's"
    return Hog()


def frames(shared):
    files = sorted((shared / "walk" / "frames").glob("*.jpg"))
    return [np.asarray(Image.open(file).convert("RGB")) for file in files]


def test_noise_and_plain_images_are_nobody(detector):
    random = np.random.default_rng(0)
    for _ in range(5):
        assert detector(random.integers(0, 256, (128, 64, 3), dtype=np.uint8)) == 0
    assert detector(np.full((128, 64, 3), 127, np.uint8)) == 0


def test_people_who_walk_are_people(detector, shared):
    assert isinstance(detector, PersonDetector)
    scores = np.array([detector(frame) for frame in frames(shared)])
    assert (scores > 0).mean() > 0.97
    assert 1.8 < scores.mean() < 2.8


def test_people_upside_down_or_in_pieces_are_less(detector, shared):
    some = frames(shared)[::10]
    upright = np.mean([detector(frame) for frame in some])
    assert np.mean([detector(frame[::-1]) for frame in some]) < 0.5 * upright
    pieces = [np.roll(frame, 64, axis=0) for frame in some]
    assert np.mean([detector(piece) for piece in pieces]) < 0.7 * upright


def test_larger_people_score_alike(detector, shared):
    image = Image.fromarray(frames(shared)[0])
    small, large = (detector(np.asarray(image.resize(size))) for size in ((64, 128), (128, 256)))
    assert large == pytest.approx(small, rel=0.3)


def test_the_same_image_has_the_same_score(detector, shared):
    image = frames(shared)[3]
    assert detector(image) == detector(image.copy())


@pytest.mark.parametrize("size", [(8, 8), (40, 20), (300, 90), (60, 300)])
def test_takes_images_of_any_size(detector, size):
    assert detector(np.zeros((*size, 3), np.uint8)) == 0


@pytest.mark.parametrize("library", [None, object()], ids=["absent", "without HOG"])
def test_says_which_extra_it_needs(monkeypatch, library):
    monkeypatch.setitem(sys.modules, "cv2", library)
    with pytest.raises(InputError, match=r'The detector hog needs the extra "eval"'):
        Hog()
