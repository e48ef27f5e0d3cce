"""`deformgan generate`, `animate` and `demo` on the bundled people."""

import json

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from deformgan.checkpoint import save_generator
from deformgan.cli.main import main
from deformgan.datasets.bundled_people import FOLDER, bundled_people, bundled_walk
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.pose_formats import Annotations, write_annotations
from deformgan.skeletons.openpose18 import OPENPOSE18

SOURCE, TABLE, WALK = FOLDER / "person_00_0.jpg", FOLDER / "annotation.csv", FOLDER / "walk.csv"
ROW = f"{TABLE}:{SOURCE.name}"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    config = GeneratorConfig(
        encoder_widths=(4, 4, 4, 4, 4, 4), decoder_widths=(4, 4, 4, 4, 4), blend=True
    )
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_generator(path, Generator(config), {"size": [128, 64]})
    return str(path)


def generate(weights, out, pose=f"{TABLE}:person_03_1.jpg", *flags):
    files = ["generate", str(SOURCE), str(pose), "--out", str(out), "--source-pose", ROW]
    return main([*files, "--weights", weights, *flags])


def test_generate_writes_a_picture_of_the_models_size(weights, tmp_path):
    assert generate(weights, tmp_path / "out.png") == 0
    assert Image.open(tmp_path / "out.png").size == (64, 128)


def test_nothing_of_the_pose_photo_but_its_joints_is_read(weights, tmp_path):
    # The same table beside the photos, beside noise of the same names, and beside nothing.
    results = []
    for kind in ("photos", "noise", "nothing"):
        folder = tmp_path / kind
        folder.mkdir()
        (folder / "annotation.csv").write_bytes(TABLE.read_bytes())
        for photo in FOLDER.glob("person_03_*.jpg"):
            if kind == "photos":
                (folder / photo.name).write_bytes(photo.read_bytes())
            elif kind == "noise":
                noise = np.random.default_rng(0).integers(0, 256, (128, 64, 3), dtype=np.uint8)
                Image.fromarray(noise).save(folder / photo.name)
        pose = f"{folder / 'annotation.csv'}:person_03_1.jpg"
        assert generate(weights, folder / "out.png", pose) == 0
        results.append((folder / "out.png").read_bytes())
    assert results[0] == results[1] == results[2]


def test_a_detected_pose_photo_gives_what_its_joints_give(weights, tmp_path, outside_weights):
    pytest.importorskip("ai_edge_litert", reason="needs the extra pose")
    model = outside_weights / "movenet_single_pose_lightning_ptq.tflite"
    photo, report = FOLDER / "person_03_0.jpg", tmp_path / "report.json"
    flags = ["--detector", f"movenet:{model}", "--json", str(report)]
    assert generate(weights, tmp_path / "a.png", photo, *flags) == 0
    joints = json.loads(report.read_text())["target_joints"]
    pose = {"skeleton": "openpose18", "size": [128, 64], "poses": {"x": joints}}
    (tmp_path / "pose.json").write_text(json.dumps(pose))
    assert generate(weights, tmp_path / "b.png", tmp_path / "pose.json") == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("pose", "flags", "said"),
    [
        (f"{TABLE}:nobody.jpg", [], "nobody.jpg"),
        (FOLDER / "person_01_0.jpg", [], "--detector NAME:PATH"),
        ("nowhere.json", [], "nowhere.json"),
        (ROW, ["--weights", "nosuch"], "nosuch"),
        (ROW, ["--device", "nosuch"], "nosuch"),
        (ROW, ["--detector", "nosuch:x"], "movenet:PATH"),
        (ROW, ["--out", "nowhere/out.png"], "nowhere"),
        (ROW, ["--out", "out.tiff"], ".png"),
    ],
)
def test_a_mistake_gives_one_line_and_exit_code_2(
    weights, tmp_path, capsys, monkeypatch, pose, flags, said
):
    monkeypatch.chdir(tmp_path)
    assert generate(weights, tmp_path / "out.png", pose, *flags) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_photo_is_refused(weights, tmp_path, capsys):
    (tmp_path / "x.jpg").write_text("no photo")
    assert main(["generate", str(tmp_path / "x.jpg"), ROW, "--out", str(tmp_path / "o.png")]) == 2
    assert "cannot be read as an image" in capsys.readouterr().err


def test_a_source_without_pose_or_detector_is_refused_with_the_remedy(weights, tmp_path, capsys):
    out = str(tmp_path / "o.png")
    assert main(["generate", str(SOURCE), ROW, "--out", out, "--weights", weights]) == 2
    assert "--source-pose" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_animate_writes_one_frame_per_pose(weights, tmp_path, suffix):
    out = tmp_path / f"walk{suffix}"
    arguments = ["animate", str(SOURCE), str(WALK), "--out", str(out), "--weights", weights]
    assert main([*arguments, "--source-pose", ROW]) == 0
    with Image.open(out) as moving:
        assert len(list(ImageSequence.Iterator(moving))) == len(bundled_walk())
        assert moving.size == (64, 128)


def test_animate_drops_frames_without_a_person_and_says_so(weights, tmp_path, capsys):
    walk = bundled_walk()
    visible = walk.visible.clone()
    visible[3] = False
    names = [f"{frame:02d}" for frame in range(len(walk))]
    write_annotations(tmp_path / "walk.csv", Annotations(names, type(walk)(walk.joints, visible)))
    arguments = ["animate", str(SOURCE), str(tmp_path / "walk.csv"), "--source-pose", ROW]
    assert main([*arguments, "--out", str(tmp_path / "w.gif"), "--weights", weights]) == 0
    assert f"({len(walk) - 1} frames, 1 dropped" in capsys.readouterr().out


def test_the_bundled_people_are_many_and_usable():
    people = bundled_people()
    assert sum(len(views) for views in people) >= 24
    for views in people:
        assert len(views) >= 3
        for view in views:
            assert view.photo.shape == (128, 64, 3)
            assert view.pose.usable(OPENPOSE18).all()
    assert bundled_walk().usable(OPENPOSE18).all()


def test_demo_results_are_what_generate_gives(weights, tmp_path):
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out), "--weights", weights]) == 0
    for kind in ("source", "target", "result"):
        assert len(list(out.glob(f"{kind}_*.png"))) == 24
    with Image.open(out / "walk.gif") as moving:
        assert len(list(ImageSequence.Iterator(moving))) >= 12
    assert Image.open(out / "demo.png").width > 640
    target = f"{TABLE}:person_00_1.jpg"
    assert np.array_equal(
        np.array(Image.open(out / "target_00.png")),
        np.array(Image.open(FOLDER / "person_00_1.jpg").convert("RGB")),
    )
    assert generate(weights, tmp_path / "same.png", target) == 0
    assert (tmp_path / "same.png").read_bytes() == (out / "result_00.png").read_bytes()
