"""The examples run, and stay short."""

import json
import runpy
import shutil
import sys
import tokenize
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageSequence

import deformgan
import deformgan.api  # slow: not within the time limit of the first test

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NOTEBOOK = EXAMPLES / "quickstart.ipynb"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
PEOPLE = Path(deformgan.__file__).parent / "people"
PHOTOS = PEOPLE / "bounding_box_train"

# Only the front door, and what it needs from Python.
ALLOWED = {"import sys", "from pathlib import Path", "import deformgan"}


@pytest.fixture
def run(monkeypatch, tmp_path) -> Callable[..., None]:
    """Run an example in an empty folder, as `python examples/NAME.py ARGUMENTS` would."""

    def run(name: str, *arguments: object) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")

    return run


@pytest.fixture
def few_people(tmp_path) -> Path:
    """A data set of four photos of each of two bundled people."""
    folder = tmp_path / "few" / "bounding_box_train"
    folder.mkdir(parents=True)
    for photo in PHOTOS.glob("000[12]_*.jpg"):
        shutil.copy(photo, folder)
    shutil.copy(PEOPLE / "annotation.csv", folder.parent)
    return folder.parent


def lines_of_code(path: Path) -> int:
    """Count the lines with code: no docstring, no comment, no blank line."""
    with tokenize.open(path) as file:
        tokens = list(tokenize.generate_tokens(file.readline))
    skipped = {
        tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
        tokenize.ENDMARKER,
    }  # fmt: skip
    code = [token for token in tokens if token.type not in skipped]
    return len({token.start[0] for token in code if not token.string.startswith('"""')})


def test_there_is_an_example_of_every_job():
    names = [path.stem for path in SCRIPTS]
    assert names == ["animate", "augment", "evaluate", "folder", "generate", "train"]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_has_about_ten_lines_and_needs_only_the_front_door(path):
    # Two more where an example goes on after an error.
    assert lines_of_code(path) <= (12 if path.stem == "folder" else 10)
    lines = path.read_text(encoding="utf-8").splitlines()
    imports = {line for line in lines if line.startswith(("import ", "from "))}
    more = {"from deformgan.reid.augment import augment"} if path.stem == "augment" else set()
    assert imports <= ALLOWED | more


def test_generate_runs_on_the_bundled_people(run, tmp_path):
    run("generate.py")
    assert Image.open(tmp_path / "generated.png").size == (64, 128)


def test_generate_takes_paths(run, tmp_path):
    photos = sorted(PHOTOS.iterdir())
    run("generate.py", photos[8], photos[13], tmp_path / "out.png")
    assert Image.open(tmp_path / "out.png").size == (64, 128)


def test_folder_goes_on_after_a_photo_without_a_person(run, tmp_path, capsys):
    folder, pose = tmp_path / "photos", sorted(PHOTOS.iterdir())[13]
    folder.mkdir()
    for number in (4, 8):
        shutil.copy(sorted(PHOTOS.iterdir())[number], folder)
    Image.new("RGB", (64, 128)).save(folder / "empty.jpg")
    run("folder.py", folder, pose, tmp_path / "out")
    assert len(list((tmp_path / "out").glob("*.png"))) == 2
    assert capsys.readouterr().out.startswith("empty.jpg ")


def test_animate_runs_on_the_bundled_people(run, tmp_path):
    run("animate.py")
    frames = list(ImageSequence.Iterator(Image.open(tmp_path / "walk.gif")))
    assert len(frames) > 12  # Pillow merges equal frames


def test_animate_takes_paths(run, tmp_path):
    lines = (PEOPLE / "walk.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "steps.csv").write_text("\n".join(lines[:4]) + "\n", encoding="utf-8")
    photo = sorted(PHOTOS.iterdir())[8]
    run("animate.py", photo, tmp_path / "steps.csv", tmp_path / "out.gif")
    assert len(list(ImageSequence.Iterator(Image.open(tmp_path / "out.gif")))) == 3


def test_evaluate_runs_on_the_bundled_people(run, capsys):
    run("evaluate.py")
    table = capsys.readouterr().out
    assert all(f"| {metric} | 0." in table for metric in ("ssim", "mask_ssim", "pckh_pose18"))


def test_evaluate_takes_paths_and_pictures_of_others(run, tmp_path, capsys):
    source, target = "0003_c1s1_000003_00", "0003_c2s1_000003_00"
    (tmp_path / "pairs.csv").write_text(f"from,to\n{source}.jpg,{target}.jpg\n", encoding="utf-8")
    generated = tmp_path / "generated"
    generated.mkdir()
    Image.open(PHOTOS / f"{target}.jpg").save(generated / f"{source}__{target}.png")
    run("evaluate.py", PHOTOS, tmp_path / "pairs.csv", generated)
    assert "| ssim | 1.0000 |" in capsys.readouterr().out


def test_augment_takes_paths(run, few_people, tmp_path):
    run("augment.py", few_people, tmp_path / "out")
    names = [path.name for path in (tmp_path / "out" / "bounding_box_train").iterdir()]
    assert sum("g" in name.removesuffix(".jpg") for name in names) > 0
    assert sum("g" not in name.removesuffix(".jpg") for name in names) == 8


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_augment_runs_on_the_bundled_people(run, tmp_path):
    run("augment.py")
    folder = tmp_path / "runs" / "people-x2" / "bounding_box_train"
    assert len(list(folder.iterdir())) > 500


@pytest.mark.slow
def test_train_takes_paths(run, few_people, tmp_path, capsys):
    run("train.py", tmp_path / "run", 1, few_people)
    assert (tmp_path / "run" / "generator.safetensors").is_file()
    assert str(tmp_path / "run" / "generator.safetensors") in capsys.readouterr().out


@pytest.mark.slow
def test_train_runs_on_the_bundled_people(run, tmp_path):
    run("train.py", tmp_path / "run", 1)
    assert (tmp_path / "run" / "generator.safetensors").is_file()


@pytest.mark.slow
def test_the_cells_of_the_notebook_run_in_order(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    names: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)  # what a notebook is for
    assert {"walk.gif", "pairs.csv", "runs"} <= {path.name for path in tmp_path.iterdir()}
    assert names["picture"] is not None


def test_the_notebook_is_saved_without_outputs():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
