"""skeleton_setting, read_skeleton_setting: a skeleton as one text, for configurations and weights.

A built-in skeleton is its name. Any other is its whole definition in JSON, so that weights trained
on a skeleton of one's own need no other file.
"""

import json
from functools import cache

from deformgan.errors import InputError
from deformgan.pose import Skeleton
from deformgan.skeletons import SKELETONS, skeleton_from_json, skeleton_to_json


def skeleton_setting(skeleton: Skeleton) -> str:
    """Writes a skeleton as one text; equal skeletons give equal texts."""
    if SKELETONS.get(skeleton.name) == skeleton:
        return skeleton.name
    return json.dumps(skeleton_to_json(skeleton), separators=(",", ":"), sort_keys=True)


@cache
def read_skeleton_setting(setting: str) -> Skeleton:
    """Reads what `skeleton_setting` wrote."""
    if setting in SKELETONS:
        return SKELETONS[setting]
    try:
        content = json.loads(setting)
    except ValueError:
        raise InputError(
            f"Unknown skeleton {setting!r}; known are {', '.join(SKELETONS)}, and one of your own "
            "by --skeleton FILE."
        ) from None
    return skeleton_from_json(content, "the configuration's skeleton")
