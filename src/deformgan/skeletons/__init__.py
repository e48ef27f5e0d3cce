"""Built-in skeletons by name, one JSON file each in this folder, and skeletons from user files."""

import json
from pathlib import Path

from deformgan.errors import InputError
from deformgan.files import bundled
from deformgan.pose import Skeleton
from deformgan.skeletons.skeleton_file import (
    SkeletonFile,
    parse_skeleton_file,
    skeleton_from_json,
    skeleton_to_json,
)

__all__ = [
    "SKELETONS",
    "check_skeleton",
    "find_skeleton",
    "find_skeleton_file",
    "skeleton_from_json",
    "skeleton_to_json",
]

_FILES = {
    path.stem: parse_skeleton_file(json.loads(path.read_text(encoding="utf-8")), path.name)
    for path in sorted(bundled("skeletons").glob("*.json"))
    if not path.name.endswith(".schema.json")
}
SKELETONS: dict[str, Skeleton] = {name: file.skeleton() for name, file in _FILES.items()}


def find_skeleton(name_or_file: str) -> Skeleton:
    """Return a built-in skeleton by name, or load one from a JSON file.

    Raises:
        InputError: If there is no such skeleton, or its file is invalid.
    """
    return SKELETONS.get(name_or_file) or find_skeleton_file(name_or_file).skeleton()


def check_skeleton(given: Skeleton | str | None, weights: Skeleton) -> Skeleton:
    """Return the skeleton of some weights, after checking that the given one agrees with it.

    Args:
        given: A skeleton, or what `find_skeleton` accepts; None if it does not matter.
        weights: Skeleton that the generator was trained on.

    Raises:
        InputError: If it is another one.
    """
    wanted = find_skeleton(given) if isinstance(given, str) else given
    if wanted is not None and wanted != weights:
        name = given if isinstance(given, str) else wanted.name
        raise InputError(
            f"skeleton= is {name} ({len(wanted.joints)} joints), but the weights were trained on "
            f"{weights.name} ({len(weights.joints)} joints)."
        )
    return weights


def find_skeleton_file(name_or_file: str) -> SkeletonFile:
    """Return the full contents of a skeleton's file, including description and example."""
    if name_or_file in _FILES:
        return _FILES[name_or_file]
    path = Path(name_or_file)
    known = ", ".join(SKELETONS)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(
            f"Unknown skeleton {name_or_file!r}; choose one of {known}, or a JSON file."
        ) from None
    except OSError as error:
        raise InputError(f"The skeleton {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InputError(f"The skeleton {path} is not a text file.") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: invalid JSON: {error.msg}.") from None
    except ValueError:  # of Python's limit of digits
        raise InputError(f"{path}: a number has too many digits.") from None
    except RecursionError:
        raise InputError(f"{path}: the JSON is nested too deeply.") from None
    file = parse_skeleton_file(content, str(path))
    if file.name in SKELETONS and file.skeleton() != SKELETONS[file.name]:
        raise InputError(
            f"{path}: the name {file.name!r} is taken by a different, built-in skeleton."
        )
    return file
