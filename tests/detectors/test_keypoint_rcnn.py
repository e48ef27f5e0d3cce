"""Keypoint R-CNN's adapter: around a network whose answer is known, and around the real one."""

import sys
from urllib.error import URLError

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import detection
from torchvision.ops.misc import FrozenBatchNorm2d

from deformgan.detectors import load_detector
from deformgan.detectors.keypoint_rcnn import KeypointRCNN
from deformgan.errors import InputError
from deformgan.pose_formats.coco_json import COCO17
from deformgan.skeletons.openpose18 import OPENPOSE18


class Network(nn.Module):
    """Stub network: returns the same few people for every picture."""

    def __init__(self, boxes, scores, keypoints, responses):
        super().__init__()
        self.answer = {
            "boxes": torch.tensor(boxes).reshape(-1, 4),
            "scores": torch.tensor(scores),
            "keypoints": keypoints,
            "keypoints_scores": responses,
        }
        self.seen = None

    def forward(self, pictures):
        """Return the fixed result."""
        assert not self.training
        (self.seen,) = pictures
        return [self.answer]


@pytest.fixture
def crowd(monkeypatch, tmp_path):
    """Three people: the second is the largest, the first the surest, the third nobody."""
    random = torch.Generator().manual_seed(0)
    places = 50 * torch.rand(3, 17, 2, generator=random)
    keypoints = torch.cat([places, torch.ones(3, 17, 1)], dim=2)
    responses = 8 * torch.randn(3, 17, generator=random)
    boxes = [[0.0, 0, 10, 20], [5, 5, 45, 50], [0, 0, 50, 50]]
    network = Network(boxes, [0.99, 0.8, 0.3], keypoints, responses)
    monkeypatch.setattr(detection, "keypointrcnn_resnet50_fpn", lambda **_: network)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "hub" / "checkpoints" / "keypointrcnn_resnet50_fpn_coco-fc266e95.pth"
    file.parent.mkdir(parents=True)
    torch.save({}, file)
    return network


def test_everybody_is_found_largest_first(crowd):
    photo = np.random.default_rng(0).integers(0, 256, (60, 50, 3), dtype=np.uint8)
    people = KeypointRCNN(None, joint_score=0.5).find_people(photo)
    assert len(people) == 2
    for found, one, sure in zip(people, [1, 0], [0.8, 0.99], strict=True):
        for place, name in enumerate(COCO17):
            joint = OPENPOSE18.index(name)
            # torchvision counts from the picture's edge, we from the middle of its first pixel.
            expected = crowd.answer["keypoints"][one, place, :2] - 0.5
            torch.testing.assert_close(found.pose.joints[0, joint], expected)
            response = crowd.answer["keypoints_scores"][one, place].item()
            score = sure / (1 + np.exp(2 - response))
            assert found.scores[joint].item() == pytest.approx(score, abs=1e-5)
            assert found.pose.visible[0, joint].item() == (score >= 0.5)
    shown = (255 * crowd.seen).round().to(torch.uint8).permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(shown, photo)


def test_in_a_box_the_surest_is_found_and_mapped_back(crowd):
    photo = np.random.default_rng(0).integers(0, 256, (90, 80, 3), dtype=np.uint8)
    found = KeypointRCNN(None)(photo, (19.5, 9.5, 59.5, 79.5))
    np.testing.assert_array_equal(
        (255 * crowd.seen).round().to(torch.uint8).permute(1, 2, 0).numpy(), photo[10:80, 20:60]
    )
    for place, name in enumerate(COCO17):
        expected = crowd.answer["keypoints"][0, place, :2] + torch.tensor([19.5, 9.5])
        joint = found.pose.joints[0, OPENPOSE18.index(name)]
        torch.testing.assert_close(joint, expected)


def test_where_nobody_is_no_joint_is_visible(crowd):
    crowd.answer["scores"] = torch.tensor([0.2, 0.1, 0.1])
    photo = np.zeros((60, 50, 3), np.uint8)
    detector = KeypointRCNN(None)
    assert detector.find_people(photo) == []
    assert not detector(photo).pose.visible.any()
    assert detector(photo).torso_score == 0


def test_downloads_only_if_asked_and_fails_in_one_line(monkeypatch, tmp_path, capfd):
    asked = []

    def unreachable(*_args, **_options):
        asked.append(True)
        print("Downloading ...", file=sys.stderr)
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", unreachable)
    with pytest.raises(InputError, match=r"keypoint_rcnn:download .*226 MB.*pytorch\.org"):
        load_detector("keypoint_rcnn")
    assert not asked
    with pytest.raises(InputError, match=r"keypoint_rcnn:PATH .*keypointrcnn_resnet50_fpn"):
        load_detector("keypoint_rcnn:download")
    assert asked
    assert capfd.readouterr().err == ""


def look_at_little(network):
    """Make a keypoint R-CNN fast: small pictures, three people at most."""
    network.transform.min_size, network.transform.max_size = (64,), 64
    network.roi_heads.detections_per_img = 3


def test_weights_are_those_of_torchvisions_network(tmp_path):
    network = detection.keypointrcnn_resnet50_fpn(weights=None, weights_backbone=None).eval()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.eps = 0.0  # as in the weights that torchvision trained
        norm.running_var.uniform_(0.5, 1.5)
        norm.weight.data.fill_(0.3)  # or 50 random layers end in infinity
    # torchvision's own weights are of frozen norms, which count no batches.
    state = {name: w for name, w in network.state_dict().items() if "num_batches" not in name}
    torch.save(state, tmp_path / "weights.pth")
    detector = KeypointRCNN(tmp_path / "weights.pth", person_score=0.0)
    (tmp_path / "weights.pth").unlink()  # 240 MB
    loaded = [m for m in detector._network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(loaded) == len(norms) > 50
    assert all(norm.eps == 0 for norm in loaded)
    for each in (network, detector._network):
        look_at_little(each)
    photo = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    found = detector.find_people(photo)
    with torch.no_grad():
        expected = network([torch.from_numpy(photo).permute(2, 0, 1) / 255])[0]
    assert len(found) == len(expected["boxes"]) > 0
    areas = (expected["boxes"][:, 2:] - expected["boxes"][:, :2]).prod(dim=1)
    largest = expected["keypoints"][areas.argmax(), COCO17.index("nose"), :2] - 0.5
    torch.testing.assert_close(found[0].pose.joints[0, OPENPOSE18.index("nose")], largest)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_are_read_from_a_file(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(detection, "keypointrcnn_resnet50_fpn", lambda **_: nn.Conv2d(3, 4, 3))
    state = nn.Conv2d(3, 4, 3).state_dict()
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    torch.testing.assert_close(KeypointRCNN(path)._network.state_dict(), state)


def test_the_norms_of_a_file_are_those_that_torchvision_trained():
    frozen = FrozenBatchNorm2d(8, eps=0.0)
    state = {name: torch.rand(8) for name in frozen.state_dict()}
    state["running_var"] *= 1e-4  # so small that eps counts
    frozen.load_state_dict(state)
    ours = nn.BatchNorm2d(8, eps=0.0).eval()
    ours.load_state_dict(state)
    features = torch.randn(1, 8, 5, 4)
    torch.testing.assert_close(ours(features), frozen(features))


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        KeypointRCNN(tmp_path / "x.pth")


@pytest.mark.parametrize("name", ["x.pth", "x.safetensors"])
@pytest.mark.parametrize("content", ["garbage", "other"])
def test_weights_of_another_network_are_refused(tmp_path, name, content, capfd, monkeypatch):
    small = nn.Conv2d(3, 4, 3)
    monkeypatch.setattr(detection, "keypointrcnn_resnet50_fpn", lambda **_: small)
    path = tmp_path / name
    other = {"conv.weight": torch.zeros(3)}
    if content == "garbage":
        path.write_bytes(b"not weights" * 10)
    elif name == "x.pth":
        torch.save(other, path)
    else:
        save_file(other, path)
    with pytest.raises(InputError, match="not a state dict of torchvision's"):
        KeypointRCNN(path)
    assert capfd.readouterr().err == ""


def test_a_pickle_is_not_run(tmp_path, monkeypatch):
    monkeypatch.setattr(detection, "keypointrcnn_resnet50_fpn", lambda **_: nn.Conv2d(3, 4, 3))
    ran = tmp_path / "ran"

    class Trap:
        def __reduce__(self):
            return (type(ran).touch, (ran,))

    torch.save({"weight": Trap()}, tmp_path / "x.pth")
    with pytest.raises(InputError, match="not a state dict"):
        KeypointRCNN(tmp_path / "x.pth")
    assert not ran.exists()
