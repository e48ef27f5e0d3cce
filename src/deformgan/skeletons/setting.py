"""skeleton_setting, read_skeleton_setting: a skeleton as one string, for configs and checkpoints.

A built-in skeleton is stored by name, any other as its whole definition in JSON, so that weights
trained on a custom skeleton need no other file.
"""

import json
from functools import cache

from deformgan.errors import InputError
from deformgan.pose import Skeleton
from deformgan.skeletons import SKELETONS, skeleton_from_json, skeleton_to_json


def skeleton_setting(skeleton: Skeleton) -> str:
    """Serialize a skeleton to a string; equal skeletons yield equal strings."""
    if SKELETONS.get(skeleton.name) == skeleton:
        return skeleton.name
    return json.dumps(skeleton_to_json(skeleton), separators=(",", ":"), sort_keys=True)


@cache
def read_skeleton_setting(setting: str) -> Skeleton:
    """Parse a string written by `skeleton_setting`."""
    if setting in SKELETONS:
        return SKELETONS[setting]
    try:
        content = json.loads(setting)
    except (ValueError, RecursionError):
        raise InputError(
            f"Unknown skeleton {setting!r}; choose one of {', '.join(SKELETONS)}, or pass your own "
            "with --skeleton FILE."
        ) from None
    return skeleton_from_json(content, "the configuration's skeleton")
