"""`deformgan pose`, with a detector that reads a photo's grey as the number of a scripted scene."""

import json
import os
import signal

import numpy as np
import pytest
import torch
from PIL import Image

import deformgan.detectors
from deformgan.cli.main import main
from deformgan.datasets.bundled_people import bundled_walk
from deformgan.detectors import Detection
from deformgan.detectors.repair import repair
from deformgan.photos import Photos, frame_numbers
from deformgan.pose import Pose
from deformgan.pose_formats import read_annotations
from deformgan.skeletons.openpose18 import OPENPOSE18

SIZE = (128, 64)


def hidden(pose: Pose, *joints: str) -> Pose:
    visible = pose.visible.clone()
    visible[:, OPENPOSE18.indices(joints)] = False
    return Pose(pose.joints, visible)


def at(pose: Pose, scale: float, x: float = 0.0) -> Pose:
    return Pose(pose.joints * scale + torch.tensor([x, 0.0]), pose.visible)


def one(number: int = 0) -> Pose:
    """Return a usable pose with all joints visible."""
    walk = bundled_walk()
    return Pose(walk.joints[[number]] + 0.25, torch.ones(1, 18, dtype=torch.bool))


# Who is in a photo of grey 10 * number.
SCENES: list[list[Pose]] = [
    [],
    [one()],
    [hidden(one(), "left_hip", "right_shoulder")],
    [at(one(), 0.2)],
    [Pose(one().joints * torch.tensor([0.0, 1.0]), one().visible)],  # seen edge-on
    [one(3), at(one(), 0.6, 500), at(one(), 0.1, 900)],
    [hidden(one(2), "left_hip", "neck")],
    *[[one(number)] for number in range(10)],
]


class Scripted:
    """A detector for tests.

    Args:
        stop: The photo, counted from 0, at which the run is broken off.
    """

    def __init__(self, stop: int | None = None):
        self.looks = 0
        self.stop = stop

    def stopped(self):
        """Breaks the run off, as Ctrl-C does."""
        raise KeyboardInterrupt

    def find_people(self, photo):
        """Return the scene's people."""
        if self.looks == self.stop:
            self.stopped()
        self.looks += 1
        scene = SCENES[round(photo.mean() / 10)]
        return [Detection(pose, torch.ones(18)) for pose in scene]


@pytest.fixture
def detector(monkeypatch):
    """Return a function that makes `--detector` a `Scripted` one."""

    def choose(stop: int | None = None) -> Scripted:
        chosen = Scripted(stop)
        monkeypatch.setattr(deformgan.detectors, "load_detector", lambda *_, **__: chosen)
        return chosen

    choose()
    return choose


def paint(folder, scenes, names="{:02d}_of_somebody_{:d}.png"):
    """Write one photo per scene; a name says the photo's place and the scene."""
    folder.mkdir(exist_ok=True)
    for place, scene in enumerate(scenes):
        grey = np.full((*SIZE, 3), 10 * scene, np.uint8)
        Image.fromarray(grey).save(folder / names.format(place, scene))
    return folder


def run(images, out, *flags) -> dict:
    """Run the command and return its report."""
    report = out.with_suffix(".report")
    assert main(["pose", str(images), "--out", str(out), "--json", str(report), *flags]) == 0
    assert not list(out.parent.glob(".*"))
    return json.loads(report.read_text())


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_the_poses_are_the_detector_s_in_the_photos_order(detector, tmp_path, suffix):
    photos = paint(tmp_path / "photos", [8, 9, 10], names="{1:d}.png")  # 8.png, 9.png, 10.png
    (photos / "notes.txt").write_text("no photo")
    out = tmp_path / f"poses{suffix}"
    assert run(photos, out)["counts"]["usable"] == 3
    annotations = read_annotations(out)
    assert annotations.names == ["8.png", "9.png", "10.png"]
    expected = torch.cat([one(number).joints for number in (1, 2, 3)])
    torch.testing.assert_close(annotations.pose.joints, expected, atol=6e-3, rtol=0)
    assert annotations.pose.visible.all()
    assert annotations.size == (SIZE if suffix == ".json" else None)


def test_one_photo_is_enough(detector, tmp_path):
    photo = next(paint(tmp_path / "photos", [1]).iterdir())
    assert run(photo, tmp_path / "a.json")["counts"]["photos"] == 1
    assert read_annotations(tmp_path / "a.json").names == [photo.name]


def test_every_reason_is_said_counted_and_reported(detector, tmp_path, capsys):
    photos = paint(tmp_path / "photos", [0, 1, 2, 3, 4, 0, 5])
    (photos / "99_broken.png").write_text("no photo")
    report = run(photos, tmp_path / "a.csv")
    assert report["counts"] == {
        "photos": 8,
        "usable": 2,
        "no_person": 2,
        "no_torso": 1,
        "tiny": 1,
        "degenerate": 1,
        "unreadable": 1,
        "several_people": 1,
        "left_and_right_coincide": 1,
        "kept_from_an_earlier_run": 0,
    }
    reasons = {name[:2]: entry["reason"] for name, entry in report["unusable"].items()}
    assert reasons == {
        "00": "no_person",
        "02": "no_torso",
        "03": "tiny",
        "04": "degenerate",
        "05": "no_person",
        "99": "unreadable",
    }
    words = report["unusable"]["02_of_somebody_2.png"]["words"]
    assert "left hip" in words
    assert "right shoulder" in words
    assert report["several_people"] == {
        "06_of_somebody_5.png": {"people": 3, "taken": 0, "others_half_as_large": 1}
    }
    printed = capsys.readouterr().out
    for name, entry in report["unusable"].items():
        assert f"{name}: {entry['words']}\n" in printed
    assert "2 unusable: no person found\n" in printed
    assert "2 of 8 usable" in printed
    # Photos without a person keep their place; one that cannot be read has none.
    annotations = read_annotations(tmp_path / "a.csv")
    assert [name[:2] for name in annotations.names] == [f"0{place}" for place in range(7)]
    assert not annotations.pose.visible[0].any()


def test_at_most_twenty_complaints_are_printed(detector, tmp_path, capsys):
    report = run(paint(tmp_path / "photos", [0] * 23), tmp_path / "a.csv")
    printed = capsys.readouterr().out
    assert printed.count("somebody") == 20
    assert "and 3 more" in printed
    assert len(report["unusable"]) == 23


def test_another_person_is_taken_when_asked_for(detector, tmp_path):
    photos = paint(tmp_path / "photos", [5, 1])
    report = run(photos, tmp_path / "a.json", "--person", "1")
    second = read_annotations(tmp_path / "a.json").pose
    torch.testing.assert_close(second.joints[:1], at(one(), 0.6, 500).joints, atol=1e-2, rtol=0)
    assert report["several_people"]["00_of_somebody_5.png"]["taken"] == 1
    assert report["unusable"] == {
        "01_of_somebody_1.png": {
            "reason": "no_person",
            "words": "no person 1 (numbered from 0): 1 found",
        }
    }


@pytest.mark.parametrize("stop", [0, 3, 6])
def test_a_run_broken_off_goes_on_where_it_was_and_ends_alike(detector, tmp_path, capsys, stop):
    photos = paint(tmp_path / "photos", [1, 2, 0, 5, 6, 1, 3])
    run(photos, tmp_path / "whole.json", "--repair")
    out = tmp_path / "a.json"
    detector(stop)
    assert main(["pose", str(photos), "--out", str(out), "--repair"]) == 130
    assert not out.exists()
    journal = tmp_path / ".a.json.journal"
    with journal.open("a") as cut_off:
        cut_off.write('{"name": "04_of_')
    second = detector()
    report = run(photos, out, "--repair")
    assert report["counts"]["kept_from_an_earlier_run"] == stop
    assert second.looks == 7 - stop
    assert out.read_bytes() == (tmp_path / "whole.json").read_bytes()


def test_a_changed_photo_is_looked_at_again_and_other_settings_begin_anew(detector, tmp_path):
    photos = paint(tmp_path / "photos", [1, 1, 1, 1])
    out = tmp_path / "a.json"
    command = ["pose", str(photos), "--out", str(out)]
    detector(3)
    assert main(command) == 130
    Image.fromarray(np.full((*SIZE, 3), 20, np.uint8)).save(photos / "01_of_somebody_1.png")
    second = detector(1)
    assert main(command) == 130
    assert second.looks == 1
    third = detector()
    report = run(photos, out)
    assert (report["counts"]["kept_from_an_earlier_run"], third.looks) == (3, 1)
    assert list(report["unusable"]) == ["01_of_somebody_1.png"]

    detector(3)
    assert main(command) == 130
    other = detector()
    run(photos, out, "--person", "1")
    assert other.looks == 4


def test_a_process_that_was_killed_loses_nothing_either(detector, tmp_path, monkeypatch):
    photos, out = paint(tmp_path / "photos", [1, 2, 0, 5]), tmp_path / "a.csv"
    child = os.fork()
    if not child:
        monkeypatch.setattr(Scripted, "stopped", lambda _: os.kill(os.getpid(), signal.SIGKILL))
        detector(2)
        main(["pose", str(photos), "--out", str(out)])
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert not out.exists()
    assert run(photos, out)["counts"]["kept_from_an_earlier_run"] == 2


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_repaired_joints_are_flagged_in_the_output(detector, tmp_path, capsys, suffix):
    photos = paint(tmp_path / "photos", [6, 1])
    out = tmp_path / f"a{suffix}"
    report = run(photos, out, "--repair")
    assert report["counts"]["usable"] == 2
    assert report["repaired"] == {"poses": 1, "joints": {"torso": 2}, "sequence": False}
    flags = out if suffix == ".json" else tmp_path / "a.repaired.json"
    expected = {"00_of_somebody_6.png": {"neck": "torso", "left_hip": "torso"}}
    assert json.loads(flags.read_text())["repaired"] == expected
    assert suffix == ".json" or str(flags) in capsys.readouterr().out
    filled = repair(SCENES[6][0]).pose
    torch.testing.assert_close(
        read_annotations(out).pose.joints[:1], filled.joints, atol=6e-3, rtol=0
    )
    # Without --repair nothing is filled, and no list of an earlier run is left to mislead.
    assert run(photos, out)["counts"]["no_torso"] == 1
    assert "repaired" not in out.read_text()
    assert not (tmp_path / "a.repaired.json").exists()


def test_numbered_frames_are_repaired_over_time_and_other_photos_are_not(detector, tmp_path):
    frames = paint(tmp_path / "frames", [7, 0, 9], names="walk_{0:03d}.png")
    report = run(frames, tmp_path / "a.json", "--repair")
    assert report["repaired"]["joints"] == {"time": 18}
    assert report["repaired"]["sequence"]
    middle = read_annotations(tmp_path / "a.json").pose.joints[1]
    expected = (one(0).joints[0] + one(2).joints[0]) / 2
    torch.testing.assert_close(middle, expected, atol=1e-3, rtol=0)
    report = run(paint(tmp_path / "photos", [7, 0, 9]), tmp_path / "b.json", "--repair")
    assert report["repaired"]["joints"] == {}
    assert report["counts"]["no_person"] == 1


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["walk_7.png", "walk_8.png", "walk_10.png"], [7, 8, 10]),
        (["0001_c1_7.jpg", "0001_c1_8.jpg", "0001_c1_9.jpg"], [7, 8, 9]),
        (["0002_c1s1_000451_03.jpg", "0002_c1s1_000551_01.jpg", "0002_c2s1_000301_01.jpg"], None),
        (["a1.png", "b2.png", "c3.png"], None),
        (["a1.png", "a01.png", "a2.png"], None),
        (["a1.png", "a2.png"], None),
        (["a.png", "b.png", "c.png"], None),
    ],
)
def test_a_sequence_is_names_alike_but_for_one_number_that_ascends(names, numbers):
    assert frame_numbers(names) == numbers


def test_a_video_gives_a_pose_per_frame_resumable_and_repaired_over_time(
    detector, tmp_path, capsys
):
    pytest.importorskip("av", reason="needs the extra video (PyAV)")
    from deformgan.cli.animations import write_video

    scenes = [7, 8, 9, 0, 11, 12]
    film = tmp_path / "walk.mp4"
    write_video(film, [np.full((*SIZE, 3), 10 * scene, np.uint8) for scene in scenes], fps=10.0)
    report = run(film, tmp_path / "whole.csv", "--repair")
    assert report["counts"]["usable"] == 6
    assert report["repaired"]["joints"] == {"time": 18}
    names = read_annotations(tmp_path / "whole.csv").names
    assert names == [f"walk_{number:06d}" for number in range(6)]
    out = tmp_path / "a.csv"
    detector(4)
    assert main(["pose", str(film), "--out", str(out), "--repair"]) == 130
    second = detector()
    assert run(film, out, "--repair")["counts"]["kept_from_an_earlier_run"] == 4
    assert second.looks == 2
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_photo_s_frame_is_not_read_before_it_is_asked_for(tmp_path):
    photos = list(Photos(paint(tmp_path / "photos", [1, 2])))
    (tmp_path / "photos" / photos[1].name).unlink()
    assert photos[0].read().shape == (*SIZE, 3)


@pytest.mark.parametrize(
    ("images", "flags", "said"),
    [
        ("nowhere", [], "does not exist"),
        ("empty", [], "contains no photos"),
        ("broken", [], "None of the 1 photos"),
        ("text.txt", [], "neither a folder nor a photo or video"),
        ("film.mp4", [], "video"),
        ("photos", ["--person", "-1"], "--person is -1"),
        ("photos", ["--out", "a.txt"], ".csv, .json"),
        ("photos", ["--out", "nowhere/a.csv"], "nowhere"),
        ("colon", ["--out", "a.csv"], "split at ':'"),
    ],
)
def test_a_mistake_gives_one_line_and_exit_code_2(
    detector, tmp_path, monkeypatch, capsys, images, flags, said
):
    monkeypatch.chdir(tmp_path)
    paint(tmp_path / "photos", [1])
    paint(tmp_path / "colon", [1], names="{:d}:{:d}.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_text("no photo")
    (tmp_path / "text.txt").write_text("no photo")
    (tmp_path / "film.mp4").write_text("no video")
    before = sorted(tmp_path.iterdir())
    assert main(["pose", images, "--out", "a.json", *flags]) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_names_that_a_table_cannot_hold_can_be_written_as_json(detector, tmp_path):
    photos = paint(tmp_path / "photos", [1], names="{:d}:{:d}.png")
    run(photos, tmp_path / "a.json")
    assert read_annotations(tmp_path / "a.json").names == ["0:1.png"]
