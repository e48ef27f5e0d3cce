"""How the bundled detector is trained: targets, loss, a run on a handful of people."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from deformgan.datasets.bundled_people import bundled_people
from deformgan.detectors.pose18 import Pose18, decode
from deformgan.pose import Pose
from deformgan.pose_formats import Annotations, write_annotation_csv
from deformgan.training.checkpoints import checkpoints, save_checkpoint
from tools.pose18 import (
    GRID,
    Pose18Training,
    export_pose18,
    heatmap_targets,
    pose18_loss,
    train_pose18,
)
from tools.pose18_crops import SIZE, TORSO, Crops


def crops_of(people, batch=3):
    pose = people(batch=batch, size=SIZE)
    nobody = Pose(pose.joints, torch.zeros_like(pose.visible))
    return Crops(torch.zeros(batch, 3, *SIZE), pose, nobody, torch.ones_like(pose.visible))


def test_targets_are_gaussians_cell_by_cell(people):
    pose = people(batch=2, size=SIZE, hidden=0.3)
    targets = heatmap_targets(pose, sigma=1.25)
    for item in range(2):
        for joint in (0, 4, 10):
            x, y = ((pose.joints[item, joint] + 0.5) / 4 - 0.5).tolist()
            for row in (0, 7, 20):
                for column in (0, 5, 12):
                    away = (row - y) ** 2 + (column - x) ** 2
                    expected = np.exp(-0.5 * away / 1.25**2) * bool(pose.visible[item, joint])
                    assert targets[item, joint, row, column].item() == pytest.approx(
                        expected, abs=1e-6
                    )


def test_the_loss_is_least_where_the_joints_are(people):
    crops = crops_of(people)
    target = heatmap_targets(crops.pose, 1.25)
    middle = heatmap_targets(
        Pose(crops.pose.joints[:, TORSO].mean(dim=1, keepdim=True), torch.ones(3, 1) > 0), 1.75
    )
    right = torch.logit(torch.cat([target, middle], dim=1).clamp(1e-4, 1 - 1e-4))
    best = pose18_loss(right, crops)
    for wrong in (right.roll(1, dims=3), right.roll(3, dims=2), -right, torch.zeros_like(right)):
        assert pose18_loss(wrong, crops) > best


def test_a_joint_that_may_or_may_not_be_there_is_asked_nothing(people):
    crops = crops_of(people)
    hidden = crops.pose.visible.clone()
    hidden[:, 4] = False
    unknown = torch.ones_like(hidden)
    unknown[:, 4] = False
    crops = Crops(crops.images, Pose(crops.pose.joints, hidden), crops.other, unknown)
    logits = torch.randn(3, 19, *GRID, requires_grad=True)
    pose18_loss(logits, crops).backward()
    assert logits.grad is not None
    assert logits.grad[:, 4].abs().max() == 0
    assert logits.grad[:, 3].abs().max() > 0


def test_a_network_that_is_the_target_is_decoded_to_the_joints(people):
    pose = people(batch=2, size=SIZE)
    heat = torch.log(heatmap_targets(pose, 1.25).clamp(min=1e-30))
    found, _ = decode(heat)
    inside = ((pose.joints > 0) & (pose.joints < torch.tensor([SIZE[1], SIZE[0]]) - 1)).all(-1)
    assert (found - pose.joints)[inside].norm(dim=-1).max() < 0.1


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The bundled people as a data set, with masks, and two photos of nobody."""
    root = tmp_path_factory.mktemp("pose18")
    for folder in ("people/bounding_box_train", "people/masks", "empty"):
        (root / folder).mkdir(parents=True)
    names, poses = [], []
    for number, views in enumerate(bundled_people()):
        for view, photo in enumerate(views):
            names.append(f"{number + 1:04d}_c{view + 1}s1_000001_00.png")
            poses.append(photo.pose)
            Image.fromarray(photo.photo).save(root / "people/bounding_box_train" / names[-1])
            Image.fromarray(photo.photo[..., 0]).save(root / "people/masks" / names[-1])
    table = Annotations(names, Pose.cat(poses))
    write_annotation_csv(root / "people" / "annotation.csv", table)
    for number in range(2):
        grey = np.full((160, 128, 3), 60 + 90 * number, np.uint8)
        Image.fromarray(grey).save(root / "empty" / f"{number}.png")
    return root


def run(data, out, steps, monkeypatch, init=None, **others):
    monkeypatch.setattr("tools.pose18.NUM_HELD_OUT", 3)
    config = Pose18Training(steps=steps, market=3, cuhk03=2, rendered=2, empty=1, **others)
    people = data / "people"
    train_pose18(people, people, (people,), data / "empty", out, init, config)
    return torch.load(checkpoints(out)[-1], weights_only=True)


def test_a_run_that_was_broken_off_ends_like_an_unbroken_one(data, tmp_path, monkeypatch):
    whole = run(data, tmp_path / "whole", 4, monkeypatch)

    class BrokenOffError(Exception):
        pass

    def break_off(*arguments):
        save_checkpoint(*arguments)
        raise BrokenOffError

    # The third step never comes: the run dies after its checkpoint of two.
    with monkeypatch.context() as patch:
        patch.setattr("deformgan.training.engine.save_checkpoint", break_off)
        with pytest.raises(BrokenOffError):
            run(data, tmp_path / "parts", 4, monkeypatch, save_every=2)
    resumed = run(data, tmp_path / "parts", 4, monkeypatch)
    assert resumed["step"] == whole["step"] == 4
    for part in ("network", "average"):
        for name, value in whole[part].items():
            assert torch.equal(resumed[part][name], value), name


@pytest.mark.slow
def test_an_exported_run_is_a_detector(data, tmp_path, monkeypatch, capsys):
    run(data, tmp_path / "run", 2, monkeypatch)
    out = tmp_path / "pose18.safetensors"
    capsys.readouterr()
    monkeypatch.setattr("tools.pose18.calibrate.__defaults__", (2,))
    export_pose18(tmp_path / "run", out, data / "people", data / "empty")
    measured = json.loads(capsys.readouterr().out)
    assert 0 <= measured["pck8"] <= 1
    found = Pose18(out)(bundled_people()[0][0].photo)
    assert found.pose.joints.shape == (1, 18, 2)
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in Pose18(out)._network.modules())
