"""The library's front door: `import deformgan`."""

import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image

import deformgan
from deformgan.datasets.bundled_people import FOLDER
from deformgan.errors import InputError
from deformgan.pose_formats import read_pose

PHOTOS = sorted((FOLDER / "bounding_box_train").glob("*.jpg"))


@pytest.fixture(scope="module")
def transfer():
    return deformgan.PoseTransfer.from_pretrained("pedestrian-base", device="cpu")


def pose_of(photo):
    return read_pose(f"{FOLDER / 'annotation.csv'}:{photo.name}")


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, deformgan; print([m for m in ('torch', 'numpy', 'PIL') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_every_public_name_is_there_and_no_other():
    for name in deformgan.__all__:
        assert getattr(deformgan, name) is not None
        assert name in dir(deformgan)
    with pytest.raises(AttributeError, match="no attribute 'transfer'"):
        _ = deformgan.transfer


def test_a_photo_and_a_pose_may_come_in_any_form(transfer):
    source, target = PHOTOS[0], PHOTOS[4]
    expected = np.asarray(transfer(source, pose=target))
    assert expected.shape == (128, 64, 3)
    with Image.open(source) as opened, Image.open(target) as wanted:
        opened.load()
        wanted.load()
    arrays = [np.asarray(image.convert("RGB")) for image in (opened, wanted)]
    for given, pose in (
        (str(source), str(target)),
        (opened, wanted),
        (arrays[0], arrays[1]),
    ):
        np.testing.assert_array_equal(np.asarray(transfer(given, pose=pose)), expected)
    named = f"{FOLDER / 'annotation.csv'}:{target.name}"
    by_file = transfer(source, pose=named, source_pose=pose_of(source))
    by_pose = transfer(source, pose=pose_of(target), source_pose=pose_of(source))
    np.testing.assert_array_equal(np.asarray(by_file), np.asarray(by_pose))


def test_what_cannot_be_used_is_one_clear_error_in_the_words_of_python(transfer):
    with pytest.raises(InputError, match="does not exist"):
        transfer("nobody.jpg", pose=PHOTOS[0])
    with pytest.raises(InputError, match="array of float64"):
        transfer(np.zeros((128, 64, 3)), pose=PHOTOS[0])
    with pytest.raises(InputError, match=r"use background=paint, or weights with layers"):
        transfer(PHOTOS[0], pose=PHOTOS[1], background="source")
    with pytest.raises(InputError, match=r"smooth= is 11"):
        list(transfer.animate(PHOTOS[0], FOLDER / "walk.csv", smooth=11.0))
    with pytest.raises(InputError, match="device 'nowhere' is not available"):
        deformgan.PoseTransfer.from_pretrained(device="nowhere")
    with pytest.raises(InputError, match="Unknown recipe 'none'"):
        deformgan.train("none", "out")
    with pytest.raises(InputError, match="exactly one of weights= and generated="):
        deformgan.evaluate("images", "pairs.csv")


def test_an_animation_has_a_frame_for_every_pose(transfer):
    frames = list(transfer.animate(PHOTOS[0], FOLDER / "walk.csv"))
    assert len(frames) == 24
    assert {frame.size for frame in frames} == {(64, 128)}


def test_people_are_found_and_drawn():
    people = deformgan.detect(PHOTOS[0])
    assert len(people) == 1
    assert people.joints.shape == (1, 18, 2)
    assert people.visible.shape == people.scores.shape == (1, 18)
    np.testing.assert_array_equal(np.isnan(people.joints[..., 0]), ~people.visible)
    (box,) = people.boxes
    seen = people.joints[people.visible]
    assert (seen >= box[:2]).all()
    assert (seen <= box[2:]).all()
    drawn = np.asarray(people.draw())
    assert drawn.shape == people.photo.shape
    assert (drawn != people.photo).any(axis=2).mean() > 0.02
    nobody = deformgan.detect(np.zeros((128, 64, 3), np.uint8))
    assert len(nobody) == 0
    assert nobody.boxes.shape == (0, 4)
    assert nobody.scores.shape == (0, 18)
    np.testing.assert_array_equal(np.asarray(nobody.draw()), 0)


def test_an_evaluation_is_the_command_s(tmp_path):
    from deformgan.cli.main import main

    pairs = tmp_path / "pairs.csv"
    pairs.write_text(
        "from,to\n" + "".join(f"{PHOTOS[3 * n].name},{PHOTOS[3 * n + 1].name}\n" for n in range(3))
    )
    metrics = ["ssim", "l1"]
    report = deformgan.evaluate(
        FOLDER / "bounding_box_train",
        pairs,
        weights="pedestrian-base",
        metrics=metrics,
        device="cpu",
    )
    assert report.pairs == report.asked == 3
    assert set(metrics) <= set(report.metrics)
    interval, value = report.metrics["ssim"].interval, report["ssim"]
    assert interval is not None
    assert value is not None
    assert interval[0] <= value <= interval[1]
    assert "ssim" in report.table()
    out = tmp_path / "report.json"
    arguments = ["--images", FOLDER / "bounding_box_train", "--pairs", pairs, "--json", out]
    arguments += ["--annotations", FOLDER / "annotation.csv", "--weights", "pedestrian-base"]
    assert main(["evaluate", *map(str, arguments), "--metrics", *metrics]) == 0
    written = json.loads(out.read_text())
    for name in metrics:
        assert written["metrics"][name]["value"] == report[name]
    report.save(tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text())["metrics"] == written["metrics"]


def test_training_returns_weights_that_generate(tmp_path):
    lines = []
    weights = deformgan.train(
        "quickstart",
        out=tmp_path / "run",
        steps=2,
        batch_size=2,
        log_every=1,
        device="cpu",
        report=lines.append,
    )
    assert [line.step for line in lines] == [1, 2]
    transfer = deformgan.PoseTransfer.from_pretrained(weights)
    assert transfer(PHOTOS[0], pose=PHOTOS[1]).size == (64, 128)
    with pytest.raises(InputError, match="already contains a run; use resume="):
        deformgan.train("quickstart", out=tmp_path / "run")


def test_a_type_checker_knows_the_names(tmp_path):
    user = tmp_path / "user.py"
    user.write_text(
        textwrap.dedent(
            """
            import deformgan
            from PIL import Image

            transfer: deformgan.PoseTransfer = deformgan.PoseTransfer.from_pretrained("synthetic")
            picture: Image.Image = transfer("me.jpg", pose="dance.jpg")
            people: deformgan.People = deformgan.detect("street.jpg")
            wrong: int = transfer("me.jpg", pose="dance.jpg")
            """
        )
    )
    check = [sys.executable, "-m", "ty", "check", "--output-format", "concise", str(user)]
    found = subprocess.run(check, capture_output=True, text=True, check=False)
    errors = [line for line in found.stdout.splitlines() if "error" in line]
    assert len(errors) == 1, found.stdout
    assert "user.py:8" in errors[0]


def test_a_lone_string_is_not_taken_for_a_list(tmp_path):
    with pytest.raises(InputError, match="metrics= is 'ssim'; give a list"):
        deformgan.evaluate(PHOTOS[0].parent, "pairs.csv", generated=tmp_path, metrics="ssim")
    with pytest.raises(InputError, match="data= is 'market'; give a list"):
        deformgan.train("quickstart", tmp_path / "run", data="market")


def test_several_poses_are_refused_for_one_picture_and_a_pose_is_read_once(transfer):
    source, photo = PHOTOS[0], PHOTOS[4]
    target = transfer.read_pose(photo)
    first, again = (transfer(source, each) for each in (target, photo))
    assert first.tobytes() == again.tobytes()
    both = deformgan.Pose.cat([target.pose, target.pose])
    with pytest.raises(InputError, match="pose= has 2 poses, but a picture has one: use animate"):
        transfer(source, both)
