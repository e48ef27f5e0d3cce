"""find_runtime: the files of onnxruntime-web, from a folder or by the user's own npm."""

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from deformgan.errors import InputError

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
# As npm states it for this version; what differs is not used.
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
# Name in the site, and in the package. Scripts end in .js: every web server knows that type.
CPU = {
    "ort.js": "dist/ort.wasm.bundle.min.mjs",
    "ort.wasm": "dist/ort-wasm-simd-threaded.wasm",
}
GPU = {
    "ort-gpu.js": "dist/ort.webgpu.bundle.min.mjs",
    "ort-gpu.wasm": "dist/ort-wasm-simd-threaded.asyncify.wasm",
}


def find_runtime(folder: Path | None = None) -> dict[str, Path]:
    """Return the files of onnxruntime-web that a site ships, by their names in it.

    Args:
        folder: An unpacked package; by default npm fetches the pinned version, once.

    Raises:
        InputError: If the files are not there, or npm is missing or fails.
    """
    root = folder if folder is not None else _fetched()
    files = {name: root / inside for name, inside in {**CPU, **GPU}.items()}
    lacking = [path for path in files.values() if not path.is_file()]
    if lacking:
        raise InputError(
            f"runtime= {root} is not the unpacked npm package {PACKAGE}: it lacks {lacking[0]}."
        )
    return files


def _fetched() -> Path:
    """Return the pinned package in the user's cache, fetched if it is not there yet."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = caches / "deformgan" / f"{PACKAGE}-{VERSION}"
    if cache.is_dir():
        return cache
    npm = shutil.which("npm")
    if npm is None:
        raise InputError(
            f"A static site needs {PACKAGE} {VERSION}: install npm, which fetches it, or give its "
            "unpacked package as runtime=."
        )
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent) as scratch:
        done = subprocess.run(
            [npm, "pack", "--silent", f"{PACKAGE}@{VERSION}"],
            cwd=scratch,
            capture_output=True,
            text=True,
            check=False,
        )
        packed = next(Path(scratch).glob("*.tgz"), None)
        if done.returncode or packed is None:
            why = (done.stderr.strip().splitlines() or ["no reason given"])[0]
            raise InputError(f"npm could not fetch {PACKAGE} {VERSION}: {why}.")
        unpack_package(packed, Path(scratch))
        shutil.move(Path(scratch) / "package", cache)
    return cache


def unpack_package(packed: Path, folder: Path, expected: str = SHA512) -> None:
    """Unpack an npm package if it is the expected one.

    Raises:
        InputError: If its sum differs.
    """
    digest = hashlib.sha512(packed.read_bytes()).digest()
    if base64.b64encode(digest).decode() != expected:
        raise InputError(f"{packed.name} differs from the pinned {PACKAGE} {VERSION}.")
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")
