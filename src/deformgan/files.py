"""Files: written atomically, read with one clear error, and found in the package.

A file appears under its name only when it is complete. Until then it has a hidden name, which
differs for every write, so that threads and processes do not collide.
"""

import hashlib
import json
import math
import os
import platform
import re
import shutil
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from io import BytesIO
from pathlib import Path, PurePosixPath, PureWindowsPath
from secrets import token_hex
from typing import IO, TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from deformgan.errors import InputError, printable, shortened

if TYPE_CHECKING:  # commands import this module before they know whether they need torch
    from PIL.Image import Image
    from torch import Tensor

_UNFINISHED_NAME = ".*.unfinished*"
_WINDOWS = os.name == "nt"
_LOCKED_BYTE = 1 << 30
_WAIT = 0.1  # seconds between two tries for a lock


def bundled(name: str) -> Path:
    """Return the path of a file or folder of the package, such as `weights`."""
    return Path(__file__).parent / name


@contextmanager
def written_beside(path: Path, folder: Path | None = None) -> Generator[Path]:
    """Write a file atomically: it appears under its name only when complete.

        with written_beside(out) as unfinished:
            unfinished.write_bytes(content)

    Args:
        path: Final name of the file.
        folder: Where the unfinished file is, in the same file system; by default the folder of
            `path`.

    Yields:
        A hidden name with the same suffix (so that image libraries recognize the format). On
        success the file moves to `path`; on an error it is removed, and an earlier file at `path`
        is kept.
    """
    # Shortened, since a file system allows 255 bytes.
    token = f"{_host()}-{os.getpid()}-{token_hex(4)}"
    name = f".{path.stem[:40]}.{token}.unfinished{path.suffix}"
    unfinished = (path.parent if folder is None else folder) / name
    _remove_abandoned(unfinished.parent, os.getpid())
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@cache
def _host() -> str:
    """Return a short name of this machine, whose process numbers mean nothing on others."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:6]


@cache
def _remove_abandoned(folder: Path, process: int) -> None:
    """Remove unfinished files of processes of this machine that are gone, once per process."""
    for path in folder.glob(_UNFINISHED_NAME):
        owner = re.search(rf"\.{_host()}-(\d+)-[0-9a-f]+\.unfinished", path.name)
        if owner is not None and int(owner[1]) != process and not _is_running(int(owner[1])):
            path.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    """Return whether a process of this machine may be running; on Windows always True."""
    if _WINDOWS:
        return True  # os.kill would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # of another user
        return True
    return True


@contextmanager
def read_back(path: Path, cure: str = "remove it") -> Generator[None]:
    """Read a file that an earlier run wrote: whatever a damaged one raises becomes one line.

        with read_back(path):
            settings = dict(json.loads(path.read_text(encoding="utf-8")))

    Args:
        path: The file.
        cure: What the user can do about it, for the error.

    Raises:
        InputError: If the file is damaged, or is not of the form that the block expects.
    """
    try:
        yield
    except (InputError, OSError, MemoryError):
        raise
    except (
        Exception
    ) as error:  # JSON, zip archives and what reads their numbers raise a dozen kinds
        reason = printable(shortened(str(error).partition("\n")[0], 80)) or type(error).__name__
        raise InputError(f"{path} is damaged ({reason}); {cure}.") from None


def check_finite(numbers: Iterable[float | int]) -> None:
    """Raise a ValueError unless all numbers are finite, for use within `read_back`."""
    if not all(math.isfinite(number) for number in numbers):
        raise ValueError("a number is not finite")


@contextmanager
def one_at_a_time(path: Path, what: str) -> Generator[None]:
    """Hold a lock while a command writes to an output, so that a second command refuses.

    The lock is released when the process ends, however it ends.

    Args:
        path: File of the lock, in an existing folder; it is hidden, empty, and removed at the end.
        what: The output, for the error.

    Raises:
        InputError: If another process holds it.
    """
    held = False
    try:
        with path.open("a") as file:
            with suppress(FileNotFoundError):
                held = try_lock(file) and os.path.samestat(os.fstat(file.fileno()), path.stat())
            if not held:  # the holder, or one that just ended and removed the file
                raise InputError(f"Another command is writing {what} at the moment.")
            try:
                yield
            finally:
                if not _WINDOWS:  # while it is locked, so that nobody else's file is removed
                    path.unlink(missing_ok=True)
    finally:
        if held and _WINDOWS:  # where an open file cannot be removed, be it another's
            with suppress(OSError):
                path.unlink()


def try_lock(file: IO[str]) -> bool:
    """Lock a file for this process, unless another process holds the lock.

    The operating system releases the lock when the file is closed, or the process ends, however it
    ends.

    Args:
        file: An open file, for writing.

    Returns:
        Whether this process holds the lock.
    """
    try:
        import fcntl
    except ImportError:
        return _try_lock_on_windows(file)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_for_lock(file: IO[str]) -> None:
    """Lock a file for this process, as `try_lock` does, once no other process holds the lock."""
    try:
        import fcntl
    except ImportError:
        while not _try_lock_on_windows(file):
            time.sleep(_WAIT)
        return
    fcntl.flock(file, fcntl.LOCK_EX)


def _try_lock_on_windows(file: IO[str]) -> bool:
    msvcrt: Any = import_module("msvcrt")
    number = file.fileno()
    before = os.lseek(number, 0, os.SEEK_CUR)
    # Windows lets nobody read what is locked, so lock a byte behind anything that is written.
    os.lseek(number, _LOCKED_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
    except PermissionError:
        return False
    finally:
        os.lseek(number, before, os.SEEK_SET)
    return True


def is_unfinished(path: Path) -> bool:
    """Return whether a file has a name that `written_beside` gives to unfinished files."""
    return path.match(_UNFINISHED_NAME)


def remove_unfinished(folder: Path) -> None:
    """Remove unfinished files of killed processes; no other process may write to the folder."""
    for path in folder.glob(_UNFINISHED_NAME):
        path.unlink()


def check_inside(name: str) -> None:
    """Check that a name of a table stays in its folder when it is read.

    Raises:
        InputError: If it is an absolute path, or leads out of the folder.
    """
    for kind in (PurePosixPath, PureWindowsPath):
        path = kind(name)
        if path.is_absolute() or path.drive or path.root or ".." in path.parts or "\0" in name:
            raise InputError(f"the name {printable(name)[:100]!r} leaves the folder of the table.")


def append_line(path: Path, line: str) -> None:
    """Append a line to a text file, or nothing if there is no room for the whole line.

    Args:
        path: The file; created if missing.
        line: Without its end.
    """
    with path.open("ab", buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        left = f"{line}\n".encode()
        try:
            while left:
                left = left[file.write(left) or 0 :]
        except OSError:
            file.truncate(before)
            if not before:
                path.unlink()
            raise


def copy_file(source: Path, path: Path) -> None:
    """Copy the contents of a file atomically."""
    with written_beside(path) as unfinished:
        shutil.copyfile(source, unfinished)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, in UTF-8 and with line ends as in `text`."""
    with written_beside(path) as unfinished:
        # Names of files that are no UTF-8 are written escaped.
        unfinished.write_text(text, "utf-8", "backslashreplace", newline="\n")


def write_image(path: Path, image: "Image", **options: Any) -> None:
    """Write a picture atomically, in the format given by the file's suffix.

    It is encoded in memory: Pillow's encoders for JPEG and others do not notice that a disk is full
    in the middle of a file, and leave it cut off.

    Args:
        path: The file.
        image: The picture.
        options: As for `Image.save`.
    """
    from PIL.Image import registered_extensions

    encoded = BytesIO()
    image.save(encoded, **({"format": registered_extensions()[path.suffix.lower()]} | options))
    with written_beside(path) as unfinished:
        unfinished.write_bytes(encoded.getbuffer())


def write_json(path: Path, data: object) -> None:
    """Write a report atomically as JSON.

    Args:
        path: The file.
        data: Dictionaries, lists, strings and plain Python numbers. Numbers that are not finite
            become null, since JSON cannot represent them.
    """
    write_text(path, json.dumps(_finite(data), indent=2, allow_nan=False) + "\n")


def _finite(data: object) -> object:
    match data:
        case float() if not math.isfinite(data):
            return None
        case dict():
            return {key: _finite(value) for key, value in data.items()}
        case list() | tuple():
            return [_finite(value) for value in data]
        case _:
            return data


def write_safetensors(
    path: Path, tensors: Mapping[str, "Tensor"], metadata: Mapping[str, str]
) -> None:
    """Write tensors atomically; the same content gives the same bytes.

    Args:
        path: The file; replaced if it exists.
        tensors: Contiguous tensors on the CPU, by name.
        metadata: Written to the header.
    """
    from safetensors.torch import save

    content = save(dict(tensors), dict(metadata))
    # safetensors writes the metadata in an order that differs from process to process.
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    ordered = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    ordered += b" " * (-len(ordered) % 8)  # tensors begin at a multiple of 8 bytes
    with written_beside(path) as unfinished:
        unfinished.write_bytes(len(ordered).to_bytes(8, "little") + ordered + content[8 + length :])


def read_safetensors(path: Path) -> tuple[dict[str, "Tensor"], dict[str, str]]:
    """Read the tensors of a safetensors file, by name, and the metadata in its header.

    Raises:
        InputError: If the file is missing, damaged or of another format, or if a number in it is
            not finite.
    """
    with _opened(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = _metadata(file)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.float().isfinite().all():
            raise InputError(f"{path} is damaged: {name!r} has a number that is not finite.")
    return tensors, metadata


def read_safetensors_header(path: Path) -> tuple[list[str], dict[str, str]]:
    """Read the names of the tensors and the metadata, without loading a tensor.

    Raises:
        InputError: If the file is missing, damaged or of another format.
    """
    with _opened(path) as file:
        return list(file.keys()), _metadata(file)


@contextmanager
def _opened(path: Path) -> Generator[safe_open]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except FileNotFoundError:
        raise InputError(f"{path} does not exist.") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is not a safetensors file ({shortened(error)}).") from None


def _metadata(file: safe_open) -> dict[str, str]:
    return file.metadata() or {}
