"""ViTPose's adapter on small random networks, against transformers and against its formulas."""

import math
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.detectors import load_detector
from deformgan.detectors.vitpose import ViTPose
from deformgan.errors import InputError
from deformgan.pose_formats.coco_json import COCO17
from deformgan.skeletons.openpose18 import OPENPOSE18

transformers = pytest.importorskip("transformers", reason="needs the extra vitpose")

HEIGHT, WIDTH = 64, 48
BOXES = [None, (10.0, 20.0, 50.0, 90.0), (-20.5, 5.0, 60.0, 200.0)]


def tiny(folder, joints=17, experts=1):
    """Save a network with random weights and its image processor."""
    torch.manual_seed(0)
    backbone = transformers.VitPoseBackboneConfig(
        image_size=[HEIGHT, WIDTH],
        patch_size=[16, 16],
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_experts=experts,
        part_features=4 if experts > 1 else 0,
        out_indices=[1],
    )
    config = transformers.VitPoseConfig(backbone_config=backbone, num_labels=joints)
    network = transformers.VitPoseForPoseEstimation(config)
    with torch.no_grad():
        for weights in network.head.parameters():
            weights.normal_(std=0.1)  # enough for peaks that differ
    network.save_pretrained(folder)
    size = {"height": HEIGHT, "width": WIDTH}
    transformers.VitPoseImageProcessor(size=size).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("vitpose"))


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (110, 80, 3), dtype=np.uint8)


@pytest.mark.parametrize("box", BOXES)
def test_finds_what_transformers_finds(folder, photo, box):
    found = ViTPose(folder, joint_score=0.3)(photo, box)
    left, top, right, bottom = box or (-0.5, -0.5, 79.5, 109.5)
    boxes = [[[left, top, right - left, bottom - top]]]
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    network = transformers.VitPoseForPoseEstimation.from_pretrained(folder).eval()
    with torch.no_grad():
        maps = network(**processor(Image.fromarray(photo), boxes=boxes, return_tensors="pt"))
    expected = processor.post_process_pose_estimation(maps, boxes=boxes)[0][0]
    for place, name in enumerate(COCO17):
        joint = OPENPOSE18.index(name)
        torch.testing.assert_close(
            found.pose.joints[0, joint], expected["keypoints"][place].float()
        )
        score = expected["scores"][place].clamp(0, 1)
        assert found.scores[joint] == score
        assert found.pose.visible[0, joint] == (score >= 0.3)
    assert 0 < found.pose.visible.sum() < 18


@pytest.mark.parametrize("box", BOXES)
def test_a_peak_is_mapped_from_the_map_to_the_photo(folder, photo, box, monkeypatch):
    detector = ViTPose(folder)
    rows, columns = np.mgrid[:16, :12]
    peaks = [(2 + joint % 8 + 0.25, 3 + joint % 9 + 0.5) for joint in range(17)]
    maps = np.stack([np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8) for x, y in peaks])
    answer = transformers.models.vitpose.modeling_vitpose.VitPoseEstimatorOutput(
        heatmaps=torch.from_numpy(maps)[None].float()
    )
    monkeypatch.setattr(detector._network, "forward", lambda **inputs: answer)
    found = detector(photo, box)
    # 1.25 times the box in the network's shape; its corners are the corner pixels of the map.
    left, top, right, bottom = box or (-0.5, -0.5, 79.5, 109.5)
    height = 1.25 * max(bottom - top, (right - left) * HEIGHT / WIDTH)
    width = height * WIDTH / HEIGHT
    for place, name in enumerate(COCO17):
        x, y = peaks[place]
        expected = torch.tensor(
            [
                (left + right - width) / 2 + width * x / 11,
                (top + bottom - height) / 2 + height * y / 15,
            ]
        )
        away = (found.pose.joints[0, OPENPOSE18.index(name)] - expected).norm()
        assert away < 0.05 * height / 15


def test_several_heads_are_asked_for_coco(tmp_path, photo):
    found = ViTPose(tiny(tmp_path, experts=6))(photo)
    assert found.pose.joints.isfinite().all()
    assert math.isfinite(found.torso_score)


def test_loads_and_looks_in_silence(folder, photo, capfd):
    ViTPose(folder)(photo)
    captured = capfd.readouterr()
    assert captured.err + captured.out == ""


def test_other_joints_are_refused(tmp_path):
    with pytest.raises(InputError, match="COCO's 17 joints"):
        ViTPose(tiny(tmp_path, joints=133))


def test_another_model_is_refused(tmp_path):
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    transformers.ViTConfig(**small).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="not a ViTPose model"):
        ViTPose(tmp_path)


@pytest.mark.parametrize("content", [None, "{", '{"model_type": "vitpose", "num_labels": "x"}'])
def test_a_folder_without_a_model_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError, match="has no transformers model"):
        ViTPose(tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "preprocessor_config.json"])
def test_an_incomplete_folder_is_refused(tmp_path, name):
    tiny(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=name):
        ViTPose(tmp_path)


def test_pickled_weights_are_not_loaded(tmp_path):
    tiny(tmp_path)
    network = transformers.VitPoseForPoseEstimation.from_pretrained(tmp_path)
    torch.save(network.state_dict(), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match="safetensors"):
        ViTPose(tmp_path)


def test_weights_of_another_network_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    weights = tiny(tmp_path) / "model.safetensors"
    state = load_file(weights)
    state.pop("head.conv.weight")
    save_file(state, weights, metadata={"format": "pt"})
    with pytest.raises(InputError, match="lacks weights"):
        ViTPose(tmp_path)


def test_a_model_of_the_hub_is_downloaded_only_if_asked(monkeypatch):
    asked = []

    def unreachable(name, local_files_only):
        asked.append((name, local_files_only))
        raise OSError("no network")

    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", unreachable)
    name = "usyd-community/vitpose-base-simple"
    with pytest.raises(InputError, match=f"vitpose:download:{name} fetches it"):
        load_detector(f"vitpose:{name}")
    with pytest.raises(InputError, match="could not be downloaded from the Hugging Face hub"):
        load_detector(f"vitpose:download:{name}")
    assert asked == [(name, True), (name, False)]


def test_a_missing_folder_or_library_is_said(tmp_path, folder, monkeypatch):
    with pytest.raises(InputError, match="vitpose:FOLDER"):
        ViTPose(None)
    with pytest.raises(InputError, match="does not exist"):
        ViTPose(tmp_path / "nowhere")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r"deformgan\[vitpose\]"):
        ViTPose(folder)
