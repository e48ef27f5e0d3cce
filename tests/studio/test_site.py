"""A static site: what its export refuses, and the runtime that it ships."""

import base64
import hashlib
import io
import tarfile

import pytest

from deformgan.errors import InputError
from deformgan.studio import runtime
from deformgan.studio.runtime import CPU, GPU, find_runtime, unpack_package
from deformgan.studio.shipped import page_file


def packed(folder, names):
    path = folder / "package.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            archive.addfile(member, io.BytesIO())
    return path


def test_a_package_with_another_sum_is_not_unpacked(tmp_path):
    path = packed(tmp_path, ["package/dist/ort.js"])
    with pytest.raises(InputError, match="differs from the pinned"):
        unpack_package(path, tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["package.tgz"]
    right = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    unpack_package(path, tmp_path, right)
    assert (tmp_path / "package/dist/ort.js").is_file()


def test_an_unpacked_package_is_used_without_npm(tmp_path):
    with pytest.raises(InputError, match="it lacks"):
        find_runtime(tmp_path)
    for inside in {**CPU, **GPU}.values():
        (tmp_path / inside).parent.mkdir(exist_ok=True)
        (tmp_path / inside).write_bytes(b"")
    assert set(find_runtime(tmp_path)) == {"ort.js", "ort.wasm", "ort-gpu.js", "ort-gpu.wasm"}


def test_without_npm_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(runtime.shutil, "which", lambda _: None)
    with pytest.raises(InputError, match="install npm, which fetches it, or give"):
        find_runtime()


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    pytest.importorskip("onnxscript", reason="needs the extra 'export'")
    from deformgan.studio.site import export_site

    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="holds something else than a site"):
        export_site(tmp_path, "pedestrian", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("name", ["../session.py", "page", "", "a/b.js", "app.js\0", "none.js"])
def test_only_files_of_the_page_are_shipped(name):
    assert page_file(name) is None
    assert page_file("app.js") is not None
