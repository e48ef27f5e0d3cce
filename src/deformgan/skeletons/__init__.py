"""Skeletons by name; each file is one."""

from deformgan.pose import Skeleton
from deformgan.skeletons.openpose18 import OPENPOSE18

SKELETONS: dict[str, Skeleton] = {OPENPOSE18.name: OPENPOSE18}
