"""What is published works without the repository: the wheel in an empty environment, the sdist."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from PIL import Image

import deformgan

PROJECT = Path(__file__).resolve().parents[1]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


def run(*words, cwd, **changes):
    """Run a program in a folder, without this repository's modules."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=environment | changes,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with the sdist, and the wheel that was built from it."""
    if shutil.which("uv") is None:
        pytest.skip("needs uv")
    folder = tmp_path_factory.mktemp("dist")
    run("uv", "build", "--quiet", "--out-dir", folder, cwd=PROJECT)
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


def test_the_wheel_in_an_empty_environment_generates_a_picture(wheel, tmp_path):
    run("uv", "venv", "--quiet", "--python", sys.executable, "env", cwd=tmp_path)
    programs = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin")
    python = programs / "python"
    run("uv", "pip", "install", "--quiet", "--python", python, wheel, cwd=tmp_path)
    program = programs / "deformgan"
    assert run(program, "--version", cwd=tmp_path) == f"deformgan {deformgan.__version__}\n"
    code = "import deformgan, pathlib; print(pathlib.Path(deformgan.__file__).parent)"
    package = Path(run(python, "-c", code, cwd=tmp_path).strip())
    assert package.is_relative_to(tmp_path / "env")
    photos = sorted((package / "people" / "bounding_box_train").iterdir())
    run(program, "generate", photos[0], photos[5], "--out", "out.png", cwd=tmp_path)
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (64, 128)
        assert f"deformgan {deformgan.__version__}" in picture.info["Description"]


def test_the_wheel_has_the_data_of_the_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = PROJECT / "src"
    wanted = {
        path.relative_to(package).as_posix()
        for path in package.glob("deformgan/**/*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted <= names
    assert not [name for name in names if name.startswith(("tests", "tools", "docs"))]


def test_the_sdist_has_everything_that_is_tracked(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    if not (PROJECT / ".git").exists():
        pytest.skip("needs the git checkout, to know which files there are")
    listed = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
    known = set(run(*listed, cwd=PROJECT).splitlines())
    assert known - names == set()
    # Nothing that git ignores, such as runs and environments.
    assert names - known == {"PKG-INFO"}


def test_the_files_of_the_image_are_enough_for_a_wheel(tmp_path):
    """`COPY . .` in the Dockerfile copies what .dockerignore excepts."""
    if shutil.which("uv") is None:
        pytest.skip("needs uv")
    lines = (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for name in [line[1:] for line in lines if line.startswith("!")]:
        source, target = PROJECT / name, tmp_path / "source" / name
        target.parent.mkdir(exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    run("uv", "build", "--quiet", "--wheel", "--out-dir", tmp_path, cwd=tmp_path / "source")
    assert list(tmp_path.glob("*.whl"))
