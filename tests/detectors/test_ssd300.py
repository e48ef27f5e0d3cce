"""torchvision's SSD300 with random weights and heads whose answers are known."""

import numpy as np
import pytest
import torch
from torchvision.models import detection

from deformgan.detectors.ssd300 import PERSON, SSD300
from deformgan.errors import InputError
from deformgan.evaluation.detection_score import PersonDetector

CLASSES = 91


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The network of torchvision with random weights, and our detector with the same."""
    torch.manual_seed(0)
    network = detection.ssd300_vgg16(weights=None, weights_backbone=None).eval()
    path = tmp_path_factory.mktemp("ssd") / "x.pth"
    torch.save(network.state_dict(), path)
    return network, SSD300(path)


def prefer(detector, favourite, lead):
    """Give all classes but one the same score everywhere."""
    for key, value in detector._network.state_dict().items():
        if key.startswith("head.classification_head"):
            value.zero_()
            if key.endswith("bias"):
                value.view(-1, CLASSES)[:, favourite] = lead


def noise():
    return np.random.default_rng(0).integers(0, 256, (128, 64, 3), dtype=np.uint8)


def test_scores_an_image_by_the_networks_surest_person(both):
    network, detector = both
    assert isinstance(detector, PersonDetector)
    pixels = torch.from_numpy(noise()).permute(2, 0, 1) / 255
    with torch.no_grad():
        found = network([pixels])[0]
    people = [
        score
        for score, label in zip(found["scores"].tolist(), found["labels"].tolist(), strict=True)
        if label == 1
    ]
    assert people
    assert detector(noise()) == pytest.approx(max(people), rel=1e-5)


def test_only_the_class_of_people_counts(both):
    _, detector = both
    categories = detection.SSD300_VGG16_Weights.COCO_V1.meta["categories"]
    assert categories[PERSON] == "person"
    lead = 6.0
    expected = np.exp(lead) / (np.exp(lead) + CLASSES - 1)
    prefer(detector, PERSON, lead)
    assert detector(noise()) == pytest.approx(expected, rel=1e-5)
    prefer(detector, categories.index("dog"), lead)
    # Everything is a dog: what is left to each other class lies below the detector's threshold.
    assert detector(noise()) == 0


def test_says_which_weights_are_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(
        InputError, match=r"The detector ssd300 needs .* path to ssd300_vgg16_coco-b556d3b4\.pth"
    ):
        SSD300()


def test_refuses_a_file_of_another_network(tmp_path):
    torch.save({"fc.weight": torch.zeros(2, 2)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth is not a state dict of torchvision's ssd300"):
        SSD300(tmp_path / "other.pth")
