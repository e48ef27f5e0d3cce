"""OPENPOSE18: the 18 joints of Cao et al.'s detector, used by all data sets here."""

from deformgan.skeletons import SKELETONS

OPENPOSE18 = SKELETONS["openpose18"]
