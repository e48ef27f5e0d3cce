"""Tests of `deformgan data synthesize`: the files, the byte, the interruption, the errors."""

import json
from contextlib import contextmanager
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

if find_spec("anny") is None or find_spec("numba") is None:
    pytest.skip("needs the extra 'synth': uv sync --extra synth", allow_module_level=True)

from deformgan.cli.main import main
from deformgan.datasets import open_dataset
from deformgan.datasets.surfaces import NOTHING
from deformgan.datasets.synthetic import Synthetic
from deformgan.errors import InputError
from deformgan.rendering import dataset
from deformgan.rendering.dataset import Plan, render_dataset

PLAN = Plan(people=2, per_person=2, size=(64, 32), seed=4)


class _HereExecutor:
    """Does at once, in this process, what it is given."""

    def __init__(self):
        self.tasks = []

    def submit(self, function, *arguments):
        from concurrent.futures import Future

        future = Future()
        future.set_result(function(*arguments))
        return future


@pytest.fixture
def here(monkeypatch):
    """Run the work in this process, which starts faster."""

    @contextmanager
    def pool(workers):
        yield _HereExecutor()

    monkeypatch.setattr(dataset, "worker_pool", pool)


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A data set that two processes made through the command line, and its report."""
    out = tmp_path_factory.mktemp("whole")
    flags = ["--people", "2", "--per-person", "2", "--size", "64x32", "--seed", "4"]
    files = ["--out", str(out / "set"), "--json", str(out / "report.json")]
    assert main(["data", "synthesize", *flags, *files, "--workers", "2"]) == 0
    return out / "set", json.loads((out / "report.json").read_text())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_layout_is_the_fields_and_the_synthetic_reader_opens_it(whole):
    out, report = whole
    names = [f"{person:04d}_c{view}s1_{person:06d}_00.jpg" for person in (1, 2) for view in (1, 2)]
    masks, surfaces = (
        [name.replace(".jpg", suffix) for name in names] for suffix in (".png", ".npz")
    )
    assert sorted(contents(out)) == sorted(
        [f"bounding_box_train/{name}" for name in names]
        + [f"backgrounds/{name}" for name in names]
        + [f"masks/{name}" for name in masks]
        + [f"surfaces/{name}" for name in surfaces]
        + ["annotation.csv", "manifest.json"]
    )
    data = open_dataset(out)
    assert isinstance(data, Synthetic)
    assert (data.names, data.identities) == (names, ["0001", "0001", "0002", "0002"])
    assert data.cameras.tolist() == [1, 2, 1, 2]
    assert data.usable.all()
    assert data.masks is not None
    assert data.backgrounds is not None
    assert data.images.shape == data.backgrounds.shape == (4, 3, 64, 32)
    with Image.open(out / "masks" / masks[0]) as mask:
        assert mask.mode == "L"
        assert np.array_equal(np.asarray(mask), data.masks[0].numpy())
    assert data.surfaces is not None
    assert data.surfaces.layer.shape == (4, 64, 32)
    # A moving person's mask is wider than the surface that the shutter's middle shows.
    assert (data.masks[data.surfaces.layer != NOTHING] > 0).float().mean() > 0.97
    assert main(["data", "check", str(out)]) == 0
    # The person is where the mask is: only there does the picture differ from the background.
    differ = (data.images.int() - data.backgrounds.int()).abs().amax(dim=1)
    assert differ[data.masks == 255].float().mean() > 3 * differ[data.masks == 0].float().mean()
    joints, visible = data.poses.joints, data.poses.visible
    assert (joints != joints.round())[visible].float().mean() > 0.9
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["parameters"] == {
        "people": 2, "per_person": 2, "size": [64, 32], "seed": 4, "framing": "pedestrian",
    }  # fmt: skip
    assert manifest["versions"]["anny"]
    assert (report["pictures"], report["kept"]) == (4, 0)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_broken_off_grown_damaged_or_not_it_is_the_same_to_the_byte(here, whole, tmp_path):
    smaller = Plan(people=1, per_person=2, size=PLAN.size, seed=PLAN.seed)
    assert len(list(render_dataset(tmp_path, smaller))) == 2
    (tmp_path / "masks" / "0001_c2s1_000001_00.png").unlink()
    surface = tmp_path / "surfaces" / "0001_c2s1_000001_00.npz"
    assert surface.read_bytes() == (whole[0] / "surfaces" / surface.name).read_bytes()
    surface.unlink()
    unfinished = render_dataset(tmp_path, PLAN)
    seen = [next(unfinished) for _ in range(3)]
    unfinished.close()
    assert [kept for _, kept in seen] == [True, False, False]
    done = dict(render_dataset(tmp_path, PLAN))
    assert len(done) == 4
    assert sum(done.values()) >= 2
    assert contents(tmp_path) == contents(whole[0])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.jpg")}
    assert all(kept for _, kept in render_dataset(tmp_path, PLAN))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.jpg")} == before
    assert contents(tmp_path) == contents(whole[0])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_another_seed_has_other_people_and_a_folder_holds_one_data_set(here, tmp_path):
    one, other = (tmp_path / name for name in ("one", "other"))
    for out, seed in ((one, 0), (other, 1)):
        out.mkdir()
        list(render_dataset(out, Plan(1, 1, (64, 32), seed)))
    name = "bounding_box_train/0001_c1s1_000001_00.jpg"
    assert contents(one)[name] != contents(other)[name]
    assert Plan(1, 1, seed=0).identity(1) != Plan(1, 1, seed=1).identity(1)
    with pytest.raises(InputError, match="other parameters"):
        next(render_dataset(one, Plan(1, 1, (64, 32), 1)))
    grown = Plan(2, 1, (64, 32), 0)
    list(render_dataset(one, grown))
    with pytest.raises(InputError, match="at least as many"):
        next(render_dataset(one, Plan(1, 1, (64, 32), 0)))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        next(render_dataset(tmp_path / "mine", grown))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_first_start_on_a_machine_is_announced(here, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(dataset, "load_body_model_once", lambda: said.append("loads"))
    for cache, expected in ((tmp_path / "cold", 2), (None, 0)):
        if cache is None:
            monkeypatch.delenv("ANNY_CACHE_DIR")
        else:
            monkeypatch.setenv("ANNY_CACHE_DIR", str(cache))
        out = tmp_path / str(expected)
        out.mkdir()
        said.clear()
        if expected == 0 and not dataset.body_is_cached():
            pytest.skip("the body model's cache is not where it is by default")
        list(render_dataset(out, Plan(1, 1, (64, 32)), say=said.append))
        assert len(said) == expected
    assert not said


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_one_worker_and_two_write_the_same_bytes_at_a_large_size(tmp_path):
    plan = Plan(people=2, per_person=1, size=(256, 96), seed=6)
    for workers in (1, 2):
        (tmp_path / str(workers)).mkdir()
        list(render_dataset(tmp_path / str(workers), plan, workers))
    one, two = (contents(tmp_path / str(workers)) for workers in (1, 2))
    assert one == two
    assert sum(name.startswith("surfaces/") for name in one) == 2


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--size", "128"], "--size is '128'; it must be HEIGHTxWIDTH in pixels, such as 128x64"),
        (["--size", "8x8"], "sides must be from 32 to 2048 pixels"),
        (["--people", "0"], "--people is 0; it must be 1 or more"),
        (["--per-person", "-2"], "--per-person is -2; it must be 1 or more"),
        (["--workers", "0"], "--workers is 0; it must be 1 or more"),
        (["--seed", "-1"], "--seed is -1"),
        (["--people", "100000"], "it must be at most 99999"),
        (["--framing", "tall"], "tall"),
    ],
)
def test_what_cannot_be_rendered_is_refused_in_one_line(flags, words, tmp_path, capsys):
    given = {"--people": "1", "--per-person": "1", "--out": str(tmp_path / "set")}
    given |= dict([flags])
    arguments = [word for pair in given.items() for word in pair]
    assert main(["data", "synthesize", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not (tmp_path / "set").exists()
