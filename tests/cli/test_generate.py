"""`deformgan generate`, `animate` and `demo` on the bundled people."""

import json

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from deformgan.checkpoint import save_generator
from deformgan.cli.main import main
from deformgan.datasets.bundled_people import FOLDER, bundled_people, bundled_walk
from deformgan.detectors import load_detector
from deformgan.photo_file import read_photo
from deformgan.pose import Pose
from deformgan.pose_formats import Annotations, write_annotations
from deformgan.skeletons.openpose18 import OPENPOSE18

PHOTOS = [[view.path for view in views] for views in bundled_people()]
SOURCE, TABLE, WALK = PHOTOS[0][0], FOLDER / "annotation.csv", FOLDER / "walk.csv"
ROW = f"{TABLE}:{SOURCE.name}"


@pytest.fixture(scope="module")
def weights(tmp_path_factory, tiny_generator):
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_generator(path, tiny_generator, {"size": [128, 64]})
    return str(path)


def generate(weights, out, pose=f"{TABLE}:{PHOTOS[3][1].name}", *flags):
    files = ["generate", str(SOURCE), str(pose), "--out", str(out), "--source-pose", ROW]
    return main([*files, "--weights", weights, *flags])


def test_generate_writes_a_picture_of_the_models_size(weights, tmp_path):
    assert generate(weights, tmp_path / "out.png") == 0
    assert Image.open(tmp_path / "out.png").size == (64, 128)


def test_a_picture_states_that_it_is_generated_unless_it_shall_not(weights, tmp_path):
    pose = f"{TABLE}:{PHOTOS[3][1].name}"
    assert generate(weights, tmp_path / "out.png") == 0
    assert generate(weights, tmp_path / "bare.png", pose, "--no-metadata") == 0
    stated, bare = (Image.open(tmp_path / name) for name in ("out.png", "bare.png"))
    assert "with the weights tiny; not a photo" in stated.info["Description"]
    assert str(tmp_path) not in str(stated.info)
    assert not bare.info
    assert np.array_equal(stated, bare)


def test_nothing_of_the_pose_photo_but_its_joints_is_read(weights, tmp_path):
    # The same table beside the photos, beside noise of the same names, and beside nothing.
    results = []
    for kind in ("photos", "noise", "nothing"):
        folder = tmp_path / kind
        folder.mkdir()
        (folder / "annotation.csv").write_bytes(TABLE.read_bytes())
        for photo in PHOTOS[3]:
            if kind == "photos":
                (folder / photo.name).write_bytes(photo.read_bytes())
            elif kind == "noise":
                noise = np.random.default_rng(0).integers(0, 256, (128, 64, 3), dtype=np.uint8)
                Image.fromarray(noise).save(folder / photo.name)
        pose = f"{folder / 'annotation.csv'}:{PHOTOS[3][1].name}"
        assert generate(weights, folder / "out.png", pose) == 0
        results.append((folder / "out.png").read_bytes())
    assert results[0] == results[1] == results[2]


def test_a_detected_pose_photo_gives_what_its_joints_give(weights, tmp_path, outside_weights):
    pytest.importorskip("ai_edge_litert", reason="needs the extra pose")
    model = outside_weights / "movenet_single_pose_lightning_ptq.tflite"
    photo, report = PHOTOS[3][0], tmp_path / "report.json"
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
        (PHOTOS[1][0], ["--detector", "movenet"], "movenet:PATH"),
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


def test_poses_are_found_in_photos_without_any_flag(weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pose, report = PHOTOS[3][1], tmp_path / "report.json"
    arguments = ["generate", str(SOURCE), str(pose), "--out", "out.png", "--weights", weights]
    assert main([*arguments, "--json", str(report)]) == 0
    joints = json.loads(report.read_text())["target_joints"]
    exact = bundled_people()[3][1].pose
    near = [
        np.hypot(*(np.array(joints[joint]) - exact.joints[0, row].numpy())) <= 8
        for row, joint in enumerate(OPENPOSE18.joints)
        if exact.visible[0, row] and joint in joints
    ]
    assert np.mean(near) > 0.8
    assert len(near) >= 10


def test_another_person_than_there_are_is_refused(weights, tmp_path, capsys):
    arguments = ["generate", str(SOURCE), ROW, "--out", str(tmp_path / "out.png"), "--person", "3"]
    assert main([*arguments, "--weights", weights]) == 2
    assert "no person 3" in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()


def test_a_photo_of_nobody_is_refused(weights, tmp_path, capsys):
    nobody = tmp_path / "nobody.png"
    Image.fromarray(np.full((200, 300, 3), (90, 120, 100), np.uint8)).save(nobody)
    assert main(["generate", str(nobody), ROW, "--out", str(tmp_path / "o.png")]) == 2
    assert capsys.readouterr().err == f"deformgan: No person found in {nobody}.\n"


def test_animate_reads_and_writes_videos(weights, tmp_path, capsys):
    pytest.importorskip("av", reason="needs the extra video")
    from deformgan.cli.animations import write_video
    from deformgan.video import Video

    film = tmp_path / "film.mp4"
    photos = [view.photo for view in bundled_people()[0]]
    nobody = np.full_like(photos[0], 120)
    write_video(film, [nobody, *photos, nobody], 5.0)
    out = tmp_path / "out.mp4"
    arguments = ["animate", str(SOURCE), str(film), "--out", str(out), "--weights", weights]
    assert main(arguments) == 0
    # The film's speed and length are kept.
    assert (
        f"({len(photos) + 2} frames at 5 per second, 2 without a person" in capsys.readouterr().out
    )
    assert Video(out).fps == 5
    frames = [frame.picture() for frame in Video(out)]
    assert len(frames) == len(photos) + 2
    assert frames[0].shape == (128, 64, 3)
    assert main([*arguments, "--fps", "10"]) == 0
    assert Video(out).fps == 10


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_animate_writes_one_frame_per_pose(weights, tmp_path, suffix):
    out = tmp_path / f"walk{suffix}"
    arguments = ["animate", str(SOURCE), str(WALK), "--out", str(out), "--weights", weights]
    assert main([*arguments, "--source-pose", ROW]) == 0
    with Image.open(out) as moving:
        assert len(list(ImageSequence.Iterator(moving))) == len(bundled_walk())
        assert moving.size == (64, 128)
        assert b"not a photo" in (moving.info.get("comment") or moving.info["exif"])
    assert main([*arguments, "--source-pose", ROW, "--no-metadata"]) == 0
    assert b"deformgan" not in out.read_bytes()


def test_animate_drops_frames_without_a_person_and_says_so(weights, tmp_path, capsys):
    walk = bundled_walk()
    visible = walk.visible.clone()
    visible[3] = False
    names = [f"{frame:02d}" for frame in range(len(walk))]
    write_annotations(tmp_path / "walk.csv", Annotations(names, type(walk)(walk.joints, visible)))
    arguments = ["animate", str(SOURCE), str(tmp_path / "walk.csv"), "--source-pose", ROW]
    assert main([*arguments, "--out", str(tmp_path / "w.gif"), "--weights", weights]) == 0
    assert f"({len(walk) - 1} frames at 12 per second, 1 dropped" in capsys.readouterr().out


@pytest.mark.parametrize("given", ["-1", "11", "nan"])
def test_smoothing_beyond_sense_is_refused(weights, tmp_path, capsys, given):
    arguments = ["animate", str(SOURCE), str(WALK), "--source-pose", ROW, "--weights", weights]
    assert main([*arguments, "--out", str(tmp_path / "w.gif"), f"--smooth={given}"]) == 2
    assert "must be from 0 to 10" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_bundled_people_are_many_and_usable():
    people = bundled_people()
    assert sum(len(views) for views in people) >= 24
    for views in people:
        assert len(views) >= 3
        for view in views:
            assert view.photo.shape == (128, 64, 3)
            assert view.pose.usable(OPENPOSE18).all()
    assert bundled_walk().usable(OPENPOSE18).all()


@pytest.fixture
def short_demo(monkeypatch):
    """Let the demo show two people and three steps."""
    people, walk = bundled_people()[:2], bundled_walk()[:3]
    monkeypatch.setattr("deformgan.datasets.bundled_people.bundled_people", lambda: people)
    monkeypatch.setattr("deformgan.datasets.bundled_people.bundled_walk", lambda: walk)


@pytest.mark.slow
def test_demo_shows_everybody_in_two_poses_and_some_walking(weights, tmp_path):
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out), "--weights", weights]) == 0
    for kind in ("source", "target", "result"):
        assert len(list(out.glob(f"{kind}_*.png"))) == 24
    with Image.open(out / "walk.gif") as moving:
        assert len(list(ImageSequence.Iterator(moving))) >= 12


@pytest.mark.usefixtures("short_demo")
def test_demo_results_are_what_generate_gives(weights, tmp_path):
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out), "--weights", weights]) == 0
    assert len(list(out.glob("result_*.png"))) == 4
    assert Image.open(out / "demo.png").width > 640
    assert "not a photo" in Image.open(out / "demo.png").info["Description"]
    assert "Description" not in Image.open(out / "source_00.png").info
    assert np.array_equal(
        np.array(Image.open(out / "target_00.png")),
        np.array(Image.open(PHOTOS[0][1]).convert("RGB")),
    )
    pair = [str(out / "source_00.png"), str(out / "target_00.png")]
    same = str(tmp_path / "same.png")
    assert main(["generate", *pair, "--out", same, "--weights", weights]) == 0
    assert (tmp_path / "same.png").read_bytes() == (out / "result_00.png").read_bytes()


def test_the_generated_person_has_the_walkers_pose(tmp_path, shared, outside_weights, monkeypatch):
    pytest.importorskip("ai_edge_litert", reason="needs the extra pose")
    judge = load_detector(f"movenet:{outside_weights / 'movenet_single_pose_lightning_ptq.tflite'}")
    monkeypatch.chdir(tmp_path)
    near = []
    for number in range(0, 60, 6):
        frame = shared.resolve() / "walk" / "frames" / f"denis_walk{number:06d}.jpg"
        source = shared.resolve() / "walk" / "source-image.jpg"
        assert main(["generate", str(source), str(frame), "--out", "out.png"]) == 0
        asked, given = (judge(read_photo(path)).pose for path in (frame, tmp_path / "out.png"))
        away = (asked.joints - given.joints)[asked.visible].norm(dim=1)
        near.append(away <= 8)
    assert torch.cat(near).float().mean() >= 0.75


def test_an_empty_street_is_refused(tmp_path, shared, capsys):
    street = shared / "walk" / "bg-image.jpg"
    out = tmp_path / "out.png"
    assert main(["generate", str(street), ROW, "--out", str(out)]) == 2
    assert capsys.readouterr().err == f"deformgan: No person found in {street}.\n"
    assert not out.exists()


# With layers.


def save_large(folder):
    """Write the source photo and its pose, three times as large, on grey."""
    view = bundled_people()[0][0]
    small = Image.fromarray(view.photo)
    photo = Image.new("RGB", (500, 600), (90, 120, 100))
    photo.paste(small.resize((192, 384)), (150, 100))
    photo.save(folder / "large.png")
    pose = Pose(view.pose.joints * 3 + torch.tensor([151.0, 101.0]), view.pose.visible)
    annotations = Annotations(["large.png"], pose, size=(600, 500))
    write_annotations(folder / "large.json", annotations)
    return folder / "large.png", f"{folder / 'large.json'}:large.png"


@pytest.fixture
def large(tmp_path_factory):
    return save_large(tmp_path_factory.mktemp("large"))


def generate_large(large, weights, out, *flags, pose=ROW):
    files = ["generate", str(large[0]), str(pose), "--out", str(out), "--source-pose", large[1]]
    return main([*files, "--weights", str(weights), *map(str, flags)])


@pytest.mark.parametrize(
    ("flags", "size"), [(["--size", "160"], (80, 160)), (["--size", "150x99"], (99, 150))]
)
def test_the_size_is_the_one_asked_for(layered_weights, large, tmp_path, flags, size):
    report = tmp_path / "report.json"
    assert generate_large(large, layered_weights, tmp_path / "o.png", *flags, "--json", report) == 0
    with Image.open(tmp_path / "o.png") as picture:
        assert picture.size == size
        assert picture.mode == "RGB"
    assert json.loads(report.read_text())["size"] == list(size[::-1])


def test_by_default_the_size_is_the_persons_in_the_photo(layered_weights, large, tmp_path):
    assert generate_large(large, layered_weights, tmp_path / "o.png") == 0
    with Image.open(tmp_path / "o.png") as picture:
        assert 340 < picture.height < 420
        assert picture.width == round(picture.height / 2)
    # ... and a photo of the model's size gives one of that size.
    assert generate(str(layered_weights), tmp_path / "small.png") == 0
    with Image.open(tmp_path / "small.png") as picture:
        assert picture.size == (64, 128)


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_a_cut_out_is_transparent(layered_weights, large, tmp_path, suffix):
    flags = ["--background", "none", "--size", "140"]
    assert generate_large(large, layered_weights, tmp_path / f"o{suffix}", *flags) == 0
    with Image.open(tmp_path / f"o{suffix}") as picture:
        assert picture.mode == "RGBA"
        alpha = np.array(picture)[..., 3]
        assert alpha.min() < alpha.max()


def test_pasting_gives_the_whole_pose_photo_or_the_whole_source(layered_weights, large, tmp_path):
    target = PHOTOS[3][1]
    for pose, photo in ((target, target), (ROW, large[0])):
        out = tmp_path / "pasted.png"
        assert generate_large(large, layered_weights, out, "--paste", pose=pose) == 0
        pasted, whole = (np.array(Image.open(path).convert("RGB")) for path in (out, photo))
        assert pasted.shape == whole.shape
        assert (pasted != whole).any()
        assert "partly a photo" in Image.open(out).info["Description"]
    # Far from the person, the photo is as it was.
    np.testing.assert_array_equal(pasted[:, :60], whole[:, :60])


def test_several_photos_come_before_the_pose(layered_weights, tmp_path):
    front, back = (str(path) for path in PHOTOS[0][:2])
    report = tmp_path / "report.json"
    flags = ["--weights", str(layered_weights), "--json", str(report)]
    arguments = ["generate", front, back, ROW, "--out", str(tmp_path / "o.png"), *flags]
    assert main(arguments) == 0
    found = json.loads(report.read_text())
    assert found["source"] == [front, back]
    assert len(found["source_joints"]) == 2
    # The same photo twice is one photo.
    pictures = []
    for sources in ([front], [front, front]):
        out = str(tmp_path / "same.png")
        assert main(["generate", *sources, ROW, "--out", out, *flags]) == 0
        pictures.append(np.array(Image.open(out)).astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() <= 1


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--source-pose", ROW], "needs a single source photo, but 2 are given"),
        (["--person", "1"], "--person 1 needs a single source photo"),
        (["--weights", "pedestrian-base"], "support only one; use weights with layers"),
    ],
)
def test_what_goes_with_one_photo_alone_is_refused_with_two(tmp_path, capsys, flags, said):
    arguments = ["generate", *map(str, PHOTOS[0][:2]), ROW, "--out", str(tmp_path / "o.png")]
    assert main([*arguments, *flags]) == 2
    complaint = [line for line in capsys.readouterr().err.splitlines() if "deformgan:" in line]
    assert len(complaint) == 1
    assert said in complaint[0]
    assert not list(tmp_path.iterdir())


def test_a_pose_without_a_photo_is_refused(tmp_path, capsys):
    assert main(["generate", ROW, "--out", str(tmp_path / "o.png")]) == 2
    assert "give one or more source photos and a POSE after them." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--size", "big"], "--size is big"),
        (["--size", "12x"], "--size is 12x"),
        (["--size", "-5"], "--size"),
        (["--size", "0"], "16 to 4096 rows"),
        (["--size", "512x20"], "4 times"),
        (["--background", "blue"], "paint, source, none"),
        (["--background", "#12"], "#rrggbb"),
        (["--background", "gone.png"], "gone.png does not exist"),
        (["--background", "none", "--out", "o.jpg"], ".png or .webp"),
        (["--paste", "--size", "300"], "remove --size 300"),
        (["--paste", "--background", "none"], "remove --background none"),
        (["--weights", "pedestrian-base", "--size", "256"], "128x64 (height x width) only"),
        (
            ["--weights", "pedestrian-base", "--background", "source"],
            "generate the scene themselves",
        ),
        (["--weights", "pedestrian-base", "--paste"], "with layers"),
    ],
)
def test_a_wrong_size_or_background_gives_one_line_and_exit_code_2(
    layered_weights, large, tmp_path, capsys, monkeypatch, flags, said
):
    monkeypatch.chdir(tmp_path)
    assert generate_large(large, layered_weights, "out.png", *flags) == 2
    complaint = [line for line in capsys.readouterr().err.splitlines() if "deformgan:" in line]
    assert len(complaint) == 1
    assert said in complaint[0]
    assert not list(tmp_path.iterdir())


def test_animations_have_the_size_and_the_background_asked_for(layered_weights, large, tmp_path):
    words = ["animate", str(large[0]), str(WALK), "--source-pose", large[1], "--size", "140"]
    words += ["--weights", str(layered_weights), "--background", "none"]
    assert main([*words, "--out", str(tmp_path / "walk.webp")]) == 0
    with Image.open(tmp_path / "walk.webp") as moving:
        assert moving.size == (70, 140)
        assert moving.mode == "RGBA"
        assert len(list(ImageSequence.Iterator(moving))) == len(bundled_walk())
    assert main([*words, "--out", str(tmp_path / "walk.gif")]) == 2
    assert not (tmp_path / "walk.gif").exists()


@pytest.mark.usefixtures("short_demo")
def test_demo_has_the_size_asked_for(layered_weights, tmp_path):
    out = tmp_path / "demo"
    words = ["demo", "--out", str(out), "--weights", str(layered_weights)]
    assert main([*words, "--size", "160"]) == 0
    assert Image.open(out / "result_00.png").size == (80, 160)
    pair = [str(out / "source_00.png"), str(out / "target_00.png")]
    same = ["generate", *pair, "--out", str(tmp_path / "same.png"), "--size", "160"]
    assert main([*same, "--weights", str(layered_weights)]) == 0
    assert (tmp_path / "same.png").read_bytes() == (out / "result_00.png").read_bytes()


def test_demo_refuses_a_size_before_it_writes_anything(layered_weights, tmp_path, capsys):
    for weights, size in (("pedestrian-base", "256"), (layered_weights, "9")):
        words = ["demo", "--out", str(tmp_path / "demo"), "--weights", str(weights)]
        assert main([*words, "--size", size]) == 2
        assert "The size is" in capsys.readouterr().err
        assert not (tmp_path / "demo").exists()
