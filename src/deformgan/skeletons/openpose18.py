"""OPENPOSE18: the 18 joints of Cao et al.'s detector, as every data set of this work has them."""

from deformgan.skeletons import SKELETONS

OPENPOSE18 = SKELETONS["openpose18"]
