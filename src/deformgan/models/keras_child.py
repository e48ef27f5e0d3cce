"""read_keras_file_apart: read a Keras file in a process of its own, with limits.

The HDF5 library trusts its files: damaged ones make it crash, run for ever or take all memory. What
the process answers is plain arrays and JSON, and is checked, since a file may have taken it over.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load, save

from deformgan.errors import InputError, printable
from deformgan.models.keras_file import KerasFile, KerasLayer, read_keras_file

_BAD_INPUT = 2
_PROCESSOR_SECONDS, _SECONDS = 20, 300  # and one more per so many bytes
_BYTES_PER_SECOND = 10 << 20
_MEMORY, _MEMORY_PER_BYTE = 4 << 30, 8
_LONGEST = 500  # characters of an error
_PROGRAM = "from deformgan.models.keras_child import answer; answer()"


def read_keras_file_apart(path: Path) -> KerasFile:
    """Read a Keras file in another process; see `read_keras_file`.

    Raises:
        InputError: If it is no such file, or the process ends in any other way than by its answer.
    """
    size = path.stat().st_size if path.is_file() else 0
    more = size // _BYTES_PER_SECOND
    limits = [_PROCESSOR_SECONDS + more, _MEMORY + _MEMORY_PER_BYTE * size]
    try:
        child = subprocess.run(
            [sys.executable, "-P", "-c", _PROGRAM, str(path), *map(str, limits)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS + more,
            # Finds this package wherever this process found it.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _damaged(path, "does not come to an end") from None
    if child.returncode == _BAD_INPUT:
        reason = child.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise InputError(printable(reason)[:_LONGEST])
    if child.returncode:
        raise _damaged(path, f"fails with code {child.returncode}")
    try:
        return _unpack(child.stdout)
    except (SafetensorError, LookupError, TypeError, ValueError, RecursionError):
        raise _damaged(path, "has a wrong answer") from None


def answer() -> None:
    """Read the file named on the command line, and write it to standard output."""
    path, seconds, memory = sys.argv[1:]
    _limit(int(seconds), int(memory))
    try:
        packed = _pack(read_keras_file(Path(path)))
    except InputError as error:
        print(str(error).replace("\n", " "), file=sys.stderr)
        raise SystemExit(_BAD_INPUT) from None
    sys.stdout.buffer.write(packed)


def _limit(seconds: int, memory: int) -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it writes no file


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"{path} is a damaged HDF5 file (the process that reads it {what}).")


def _pack(file: KerasFile) -> bytes:
    arrays, layers = {}, []
    for layer in file.layers:
        numbers = {}
        for role, array in layer.arrays.items():
            numbers[role] = str(len(arrays))
            arrays[numbers[role]] = array
        layers.append({**asdict(layer), "arrays": numbers})
    about = {"layers": layers, "names": file.names, "config": file.config, "version": file.version}
    return save(arrays, {"about": json.dumps(about)})


def _unpack(packed: bytes) -> KerasFile:
    arrays = load(packed)
    length = int.from_bytes(packed[:8], "little")
    header = json.loads(packed[8 : 8 + length])
    about: dict[str, Any] = json.loads(header["__metadata__"]["about"])
    layers = [
        KerasLayer(
            _text(layer["name"]),
            {_text(role): arrays[number] for role, number in layer["arrays"].items()},
            {_text(role): _text(place) for role, place in layer["paths"].items()},
        )
        for layer in about["layers"]
    ]
    return KerasFile(
        layers, [_text(name) for name in about["names"]], about["config"], _text(about["version"])
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text.")
    return value
