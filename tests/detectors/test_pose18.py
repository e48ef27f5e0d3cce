"""Pose18: peaks, weights, and people that it has never seen."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch._subclasses.fake_tensor import FakeTensorMode

from deformgan.backbones.pose18_network import (
    BUNDLED,
    CROP,
    STRIDE,
    Pose18Config,
    Pose18Network,
    fold_norms,
    load_network,
)
from deformgan.datasets.bundled_people import bundled_people
from deformgan.detectors import find_people, find_person
from deformgan.detectors.pose18 import Pose18, _scales, decode, part_twins
from deformgan.errors import InputError
from deformgan.skeletons.openpose18 import OPENPOSE18

PEOPLE = 10
TORSO = OPENPOSE18.mandatory_joints


@pytest.fixture(scope="module")
def pose18():
    return Pose18()


@pytest.fixture(scope="module")
def people():
    return [views[0] for views in bundled_people()[:PEOPLE]]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = Pose18Network(Pose18Config(widths=(8, 8, 8, 8, 8), blocks=(1, 1, 1, 1), neck=8))
    network.train()
    for _ in range(3):  # norms that do something
        network(torch.rand(2, 3, 64, 64) * 2 - 1)
    return network.eval()


@pytest.mark.parametrize("sigma", [0.9, 1.25, 2.0])
def test_the_peak_of_a_gaussian_is_found_between_the_cells(sigma):
    torch.manual_seed(0)
    places = torch.rand(3, 5, 2) * torch.tensor([60.0, 100.0]) + 16
    cells = (places + 0.5) / STRIDE - 0.5
    column, row = torch.arange(24), torch.arange(32)
    across = (column - cells[..., :1]) ** 2
    down = (row - cells[..., 1:]) ** 2
    heat = 3.0 - (down[..., :, None] + across[..., None, :]) / (2 * sigma**2)
    found, peak = decode(heat)
    torch.testing.assert_close(found, places, atol=1e-2, rtol=0.0)
    torch.testing.assert_close(peak, heat.amax(dim=(2, 3)))


def test_a_peak_at_the_edge_stays_within_a_cell_of_it():
    heat = torch.zeros(1, 2, 8, 6)
    heat[0, 0, 0, 0], heat[0, 1, 7, 5] = 5, 5
    found, _ = decode(heat)
    assert (found[0, 0] >= -0.5).all()
    assert (found[0, 1] <= torch.tensor([6 * STRIDE - 0.5, 8 * STRIDE - 0.5])).all()


def test_folded_norms_change_no_number(network):
    images = torch.rand(2, 3, 128, 96) * 2 - 1
    expected = network(images)
    folded = Pose18Network(network.config)
    folded.load_state_dict(network.state_dict())
    fold_norms(folded.eval())
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    torch.testing.assert_close(folded(images), expected, atol=1e-4, rtol=1e-4)


def test_a_whole_photo_is_seen_as_its_crops_are(network):
    # Far from the borders, only what is within the network's reach matters.
    photo = torch.rand(1, 3, 512, 512) * 2 - 1
    moved = photo.roll((64, 32), dims=(2, 3))
    one, other = network(photo), network(moved)
    inner = slice(56, 72)
    there = one[..., inner, inner]
    here = other.roll((-64 // STRIDE, -32 // STRIDE), dims=(2, 3))[..., inner, inner]
    torch.testing.assert_close(there, here, atol=1e-4, rtol=1e-4)


def test_somebody_who_fills_a_photo_and_somebody_small_fill_a_crop_at_some_scale():
    for height, width in ((128, 64), (720, 1280), (3000, 2000), (40, 30)):
        scales = _scales(height, width)
        assert scales[0] * height <= CROP[0] + 1e-6
        assert scales[0] * width <= CROP[1] + 1e-6
        assert all(other / one < 1.5 for one, other in pairwise(scales))


def test_finds_the_joints_of_rendered_people(pose18, people):
    near = []
    for person in people:
        found = pose18(person.photo)
        away = (found.pose.joints - person.pose.joints)[0].norm(dim=1)
        near.append(away[person.pose.visible[0]] <= 8)
    assert torch.cat(near).float().mean() > 0.9


def test_a_mirrored_photo_has_the_mirrored_pose(pose18, people):
    photo = people[0].photo
    width = photo.shape[1]
    pose = pose18(photo).pose
    mirrored = pose18(np.ascontiguousarray(photo[:, ::-1])).pose
    torch.testing.assert_close(mirrored.flip(width, OPENPOSE18).joints, pose.joints)
    assert torch.equal(mirrored.flip(width, OPENPOSE18).visible, pose.visible)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1, 2])
def test_finds_everybody_in_a_street_the_largest_first(pose18, people, scale):
    street = np.full((480, 640, 3), (120, 124, 118), np.uint8)
    corners = [(60, 90), (400, 150)]
    for number, ((x, y), person) in enumerate(zip(corners, people, strict=False)):
        size = scale if number == 0 else 1
        photo = person.photo.repeat(size, axis=0).repeat(size, axis=1)
        street[y : y + photo.shape[0], x : x + photo.shape[1]] = photo
    found = find_people(pose18, street)
    assert len(found) == 2
    middles = [person.pose.joints[0, TORSO].mean(dim=0) for person in found]
    expected = []
    for number, ((x, y), person) in enumerate(zip(corners, people, strict=False)):
        size = scale if number == 0 else 1
        expected.append(person.pose.joints[0, TORSO].mean(dim=0) * size + torch.tensor([x, y]))
    order = (
        [0, 1] if scale == 2 else sorted((0, 1), key=lambda n: (middles[0] - expected[n]).norm())
    )
    for middle, number in zip(middles, order, strict=True):
        assert (middle - expected[number]).norm() < 8 * scale
    second = find_person(pose18, street, person=1)
    assert second is not None
    assert torch.equal(second.pose.joints, found[1].pose.joints)
    assert find_person(pose18, street, person=2) is None


def test_nobody_is_found_where_nobody_is(pose18):
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (300, 200, 3), dtype=np.uint8)
    blobs = random.integers(0, 256, (16, 8, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
    for image in (
        noise,
        blobs,
        np.full((128, 64, 3), 127, np.uint8),
        np.zeros((9, 5, 3), np.uint8),
    ):
        assert find_people(pose18, image) == []


def test_an_empty_street_holds_nobody(pose18, shared):
    from deformgan.photo_file import read_photo

    assert find_people(pose18, read_photo(shared / "walk" / "bg-image.jpg")) == []


def test_finds_the_joints_that_the_authors_annotated(pose18, market1501):
    from deformgan.datasets.market1501 import Market1501

    people = Market1501(market1501, split="test")
    chosen = people.usable.nonzero()[:: int(people.usable.sum()) // 120, 0]
    near = []
    for row in chosen.tolist():
        found = pose18(people.images[row].permute(1, 2, 0).numpy())
        away = (found.pose.joints - people.poses.joints[row])[0].norm(dim=1)
        near.append(away[people.poses.visible[row]] <= 8)
    # On all of them 0.91.
    assert torch.cat(near).float().mean() > 0.87


def test_bundled_weights_are_small_and_say_where_they_come_from():
    assert BUNDLED.stat().st_size <= 4_000_000
    _, metadata = load_network(BUNDLED)
    assert "Market-1501" in metadata["terms"]
    assert metadata["held_out"]["pck8"] > 0.88


def test_a_file_that_holds_no_detector_is_refused(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="not a safetensors file"):
        Pose18(tmp_path / "x.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "y.safetensors")
    with pytest.raises(InputError, match="no pose18 detector"):
        Pose18(tmp_path / "y.safetensors")


def peak_at(heat, joint, row, column, height):
    heat[0, joint, row, column] = height


def test_legs_found_in_one_place_are_parted_where_a_second_place_is_nearly_as_good():
    right, left = OPENPOSE18.indices(["right_ankle", "left_ankle"])
    heat = torch.full((1, 18, 32, 24), -9.0)
    peak_at(heat, right, 28, 5, 2.0)
    peak_at(heat, left, 28, 5, 1.9)
    peak_at(heat, right, 28, 17, 1.0)
    peak_at(heat, left, 28, 17, 1.7)
    places, peaks = part_twins(heat, *decode(heat))
    columns = ((places[0, [right, left], 0] + 0.5) / STRIDE - 0.5).round().tolist()
    assert columns == [5, 17]
    torch.testing.assert_close(peaks[0, [right, left]], torch.tensor([2.0, 1.7]))
    # The same, mirrored.
    mirrored = heat.flip(-1)[:, OPENPOSE18.mirror_permutation]
    places, _ = part_twins(mirrored, *decode(mirrored))
    columns = ((places[0, [left, right], 0] + 0.5) / STRIDE - 0.5).round().tolist()
    assert columns == [18, 6]


def test_legs_that_hide_each_other_and_other_joints_stay_where_they_are():
    torch.manual_seed(0)
    heat = torch.randn(1, 18, 32, 24)
    right, left = OPENPOSE18.indices(["right_knee", "left_knee"])
    peak_at(heat, right, 20, 9, 9.0)
    peak_at(heat, left, 20, 9, 9.0)
    places, peaks = decode(heat)
    kept = [joint for joint, name in enumerate(OPENPOSE18.joints) if "ankle" not in name]
    after, heights = part_twins(heat, places, peaks)
    assert torch.equal(after[:, kept], places[:, kept])
    assert torch.equal(heights[:, kept], peaks[:, kept])


def test_what_is_looked_at_goes_to_the_networks_device_and_comes_back():
    detector, seen = Pose18(), []
    photos = [np.zeros((128, 64, 3), np.uint8)] * 2
    # Tensors without content on a GPU that need not be there; mixing devices is an error as there.
    with FakeTensorMode(allow_non_fake_inputs=True):
        with torch.device("cuda"):
            detector._network = Pose18Network(Pose18Config()).eval()
            detector._slope, detector._offset = torch.ones(()), torch.zeros(())
        detector._network.register_forward_pre_hook(lambda _, given: seen.append(given[0].device))
        detector._device = torch.device("cuda")
        for found in detector.look(photos):
            for tensor in (found.pose.joints, found.pose.visible, found.scores):
                assert tensor.device.type == "cpu"
        assert [device.type for device in seen] == ["cuda", "cuda"]
        detector._device = torch.device("cpu")
        with pytest.raises(RuntimeError, match="same device"):
            detector.look(photos)


def test_a_detector_on_another_device_leaves_the_others_where_they_are():
    moved = Pose18(device="meta")
    assert {weight.device.type for weight in moved._network.parameters()} == {"meta"}
    assert moved._slope.device.type == "meta"
    assert {weight.device.type for weight in Pose18()._network.parameters()} == {"cpu"}
