"""OPENPOSE18 is data now, and still the skeleton that all weights and tables were made with."""

from deformgan.pose import Part, Skeleton
from deformgan.skeletons import SKELETONS
from deformgan.skeletons.openpose18 import OPENPOSE18

HEAD = ("nose", "right_eye", "left_eye", "right_ear", "left_ear")
TORSO = ("right_hip", "left_hip", "left_shoulder", "right_shoulder")


def limb(name: str, start: str, end: str, twin: str, lower: bool) -> Part:
    return Part(
        name=name,
        region="limb",
        joints=(start, end),
        needs=2,
        twin=twin,
        extension=0.5 if lower else 0.1,
        fit_extension=0.3 if lower else 0.1,
    )


# As it stood in code before it was a file.
LITERAL = Skeleton(
    name="openpose18",
    joints=(
        "nose",
        "neck",
        "right_shoulder",
        "right_elbow",
        "right_wrist",
        "left_shoulder",
        "left_elbow",
        "left_wrist",
        "right_hip",
        "right_knee",
        "right_ankle",
        "left_hip",
        "left_knee",
        "left_ankle",
        "right_eye",
        "left_eye",
        "right_ear",
        "left_ear",
    ),
    mirrored=tuple(
        (f"right_{joint}", f"left_{joint}")
        for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "eye", "ear")
    ),
    limbs=(
        ("neck", "right_shoulder"),
        ("right_shoulder", "right_elbow"),
        ("right_elbow", "right_wrist"),
        ("neck", "left_shoulder"),
        ("left_shoulder", "left_elbow"),
        ("left_elbow", "left_wrist"),
        ("neck", "right_hip"),
        ("right_hip", "right_knee"),
        ("right_knee", "right_ankle"),
        ("neck", "left_hip"),
        ("left_hip", "left_knee"),
        ("left_knee", "left_ankle"),
        ("neck", "nose"),
        ("nose", "right_eye"),
        ("right_eye", "right_ear"),
        ("nose", "left_eye"),
        ("left_eye", "left_ear"),
    ),
    parts=(
        Part(name="torso", region="image", joints=TORSO, needs=4, mandatory=True),
        Part(
            name="head",
            region="square",
            joints=HEAD,
            anchors=("right_shoulder", "left_shoulder"),
        ),
        limb("right_thigh", "right_hip", "right_knee", "left_thigh", lower=False),
        limb("left_thigh", "left_hip", "left_knee", "right_thigh", lower=False),
        limb("right_shin", "right_knee", "right_ankle", "left_shin", lower=True),
        limb("left_shin", "left_knee", "left_ankle", "right_shin", lower=True),
        limb("right_upper_arm", "right_shoulder", "right_elbow", "left_upper_arm", lower=False),
        limb("left_upper_arm", "left_shoulder", "left_elbow", "right_upper_arm", lower=False),
        limb("right_forearm", "right_elbow", "right_wrist", "left_forearm", lower=True),
        limb("left_forearm", "left_elbow", "left_wrist", "right_forearm", lower=True),
    ),
    unit=(("right_hip", "right_shoulder"), ("left_hip", "left_shoulder")),
    core=(*TORSO, "right_knee", "left_knee"),
    upright=True,
)


def test_the_file_gives_the_skeleton_that_was_in_code():
    assert OPENPOSE18 == LITERAL
    assert SKELETONS["openpose18"] is OPENPOSE18
