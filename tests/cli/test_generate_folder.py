"""`deformgan generate` into a folder."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from deformgan.cli.main import main
from deformgan.datasets.bundled_people import FOLDER, bundled_people
from deformgan.datasets.pairs import write_pairs
from deformgan.evaluation.generated_folder import GeneratedFolder

VIEWS = [view for views in bundled_people()[:3] for view in views[:1]]
PHOTOS = [str(view.path) for view in VIEWS]
TABLE = FOLDER / "annotation.csv"
POSES = [f"{TABLE}:{view.path.name}" for view in VIEWS[1:]]


@pytest.fixture
def generate(layered_weights, tmp_path):
    """Runs the command on the tiny weights, by default into the folder `out`."""

    def run(*words, out=tmp_path / "out"):
        flags = ["--out", str(out), "--weights", str(layered_weights)]
        return main(["generate", *map(str, words), *flags])

    return run


def read(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def named(source, target, suffix=".png"):
    return f"{VIEWS[source].path.stem}__{VIEWS[target].path.stem}{suffix}"


def test_a_folder_gets_every_photo_in_every_pose_as_single_pictures(generate, tmp_path, capsys):
    report = tmp_path / "report.json"
    words = [*PHOTOS[:2], "--poses", *POSES, "--source-pose", TABLE, "--json", report]
    assert generate(*words) == 0
    assert "(4 pictures written," in capsys.readouterr().out
    out = tmp_path / "out"
    pictures = {named(source, target) for source in (0, 1) for target in (1, 2)}
    assert {path.name for path in out.iterdir()} == pictures | {"generate.json"}
    single = tmp_path / "single.png"
    pose = f"{TABLE}:{VIEWS[0].path.name}"
    assert generate(PHOTOS[0], POSES[1], "--source-pose", pose, out=single) == 0
    assert single.read_bytes() == (out / named(0, 2)).read_bytes()
    found = json.loads(report.read_text())
    assert (found["written"], found["kept"], found["failures"]) == (4, 0, {})
    assert found["seconds_by_activity"]["network"] > 0


def test_the_last_word_is_the_poses_unless_they_have_a_flag(generate, tmp_path):
    assert generate(*PHOTOS[:2], POSES[0]) == 0
    assert set(read(tmp_path / "out")) == {named(0, 1), named(1, 1), "generate.json"}


def test_pairs_name_photos_and_poses_and_evaluate_finds_them(generate, tmp_path):
    photos, table = tmp_path / "photos", tmp_path / "pairs.csv"
    photos.mkdir()
    for view in VIEWS:
        (photos / view.path.name).write_bytes(view.path.read_bytes())
    pairs = [(VIEWS[a].path.name, VIEWS[b].path.name) for a, b in ((0, 1), (2, 0))]
    write_pairs(table, pairs)
    assert generate(photos, TABLE, "--source-pose", TABLE, "--pairs", table) == 0
    assert set(read(tmp_path / "out")) == {named(0, 1), named(2, 0), "generate.json"}
    folder = GeneratedFolder(tmp_path / "out", pairs)
    assert all(folder.read(row, (128, 64)).picture is not None for row in (0, 1))
    assert folder.strays == []


def test_pictures_that_exist_are_kept_and_failures_are_one_line_each(generate, tmp_path, capsys):
    broken = tmp_path / "broken.jpg"
    broken.write_text("no photo")
    words = [PHOTOS[0], broken, "--poses", *POSES]
    assert generate(*words) == 1
    told = capsys.readouterr()
    assert f"deformgan: {broken} cannot be read as an image: it is no JPEG" in told.err
    assert told.err.count("deformgan:") == 1
    assert "(2 pictures written, 1 failed," in told.out
    whole = read(tmp_path / "out")
    (tmp_path / "out" / named(0, 1)).unlink()
    assert generate(*words) == 1
    assert "(1 pictures written, 1 kept, 1 failed," in capsys.readouterr().out
    assert read(tmp_path / "out") == whole
    assert generate(PHOTOS[0], "--poses", *POSES) == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--background", "none"], "made with background the default, not none"),
        (["--noise"], "made with noise_seed the default, not 0"),
        (["--size", "140"], "made with size the default, not 140"),
        (["--precision", "bfloat16"], "made with precision the default, not bfloat16"),
        (["--no-metadata"], "made with metadata the default, not off"),
    ],
)
def test_pictures_of_other_settings_are_not_mixed(generate, tmp_path, capsys, flags, said):
    assert generate(PHOTOS[0], POSES[0]) == 0
    before = read(tmp_path / "out")
    assert generate(PHOTOS[0], *POSES[1:], *flags) == 2
    assert said in capsys.readouterr().err
    assert read(tmp_path / "out") == before


def test_formats_and_backgrounds_are_as_asked(generate, tmp_path):
    words = [PHOTOS[0], POSES[0], "--size", "140", "--background", PHOTOS[2], "--format", "jpg"]
    assert generate(*words) == 0
    with Image.open(tmp_path / "out" / named(0, 1, ".jpg")) as picture:
        assert picture.format == "JPEG"
        assert picture.size == (70, 140)


def test_people_are_pasted_into_the_pose_photos(generate, tmp_path):
    assert generate(PHOTOS[0], "--poses", *PHOTOS[1:], "--paste") == 0
    for target in (1, 2):
        picture = np.array(Image.open(tmp_path / "out" / named(0, target)))
        assert picture.shape == VIEWS[target].photo.shape
        assert (picture != VIEWS[target].photo).any()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gone.jpg", POSES[0]], "gone.jpg does not exist"),
        ([PHOTOS[0], "gone.json"], "gone.json"),
        ([PHOTOS[0], PHOTOS[0], POSES[0]], "Two photos are named"),
        ([PHOTOS[0], POSES[0], "--background", "none", "--format", "jpg"], "png or webp"),
        ([PHOTOS[0], POSES[0], "--size", "9"], "The size is"),
        ([PHOTOS[0], POSES[0], "--paste", "--size", "300"], "remove --size 300"),
        ([PHOTOS[0], POSES[0], "--pairs", "gone.csv"], "gone.csv"),
        ([PHOTOS[0], POSES[0], "--source-pose", "gone.csv"], "gone.csv"),
        ([PHOTOS[0]], "POSE after them"),
    ],
)
def test_a_mistake_gives_one_line_and_exit_code_2_and_no_folder(
    generate, tmp_path, monkeypatch, capsys, words, said
):
    monkeypatch.chdir(tmp_path)
    assert generate(*words) == 2
    complaint = [line for line in capsys.readouterr().err.splitlines() if "deformgan:" in line]
    assert len(complaint) == 1
    assert said in complaint[0]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--poses", POSES[0]], "--poses"),
        (["--pairs", "pairs.csv"], "--pairs pairs.csv"),
        (["--format", "jpg"], "--format jpg"),
    ],
)
def test_what_a_folder_needs_is_refused_for_a_picture(generate, tmp_path, capsys, flags, said):
    assert generate(PHOTOS[0], POSES[0], *flags, out=tmp_path / "o.png") == 2
    complaint = capsys.readouterr().err
    assert f"{said} " in complaint
    assert "needs a folder as --out" in complaint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--background", "source"], "generate the scene themselves"),
        (["--paste"], "--paste needs weights with layers"),
        (["--size", "256"], "128x64 (height x width) only"),
    ],
)
def test_what_weights_without_layers_lack_is_refused_at_once(tmp_path, capsys, flags, said):
    out = tmp_path / "out"
    words = ["generate", PHOTOS[0], POSES[0], "--out", str(out), "--weights", "pedestrian-base"]
    assert main([*words, *flags]) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_bytes(layered_weights, tmp_path):
    words = [*PHOTOS, str(FOLDER / "walk.csv"), "--weights", str(layered_weights)]
    command = [sys.executable, "-m", "deformgan", "generate", *words, "--out"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert subprocess.run([*command, whole], check=False).returncode == 0
    pictures = len(list(whole.glob("*.png")))
    for share in (3, 2):
        process = subprocess.Popen([*command, killed])
        while len(list(killed.glob("*.png"))) < pictures // share:
            assert process.poll() is None, "finished before it was killed"
            time.sleep(0.01)
        process.kill()
        process.wait()
    assert 0 < len(list(killed.glob("[!.]*.png"))) < pictures
    assert subprocess.run([*command, killed], check=False).returncode == 0
    assert read(killed) == read(whole)
