"""The 18 joints of Cao et al.'s detector, as every data set of this line of work uses them."""

from deformgan.pose import Part, Skeleton

_HEAD = ("nose", "right_eye", "left_eye", "right_ear", "left_ear")
_TORSO = ("right_hip", "left_hip", "left_shoulder", "right_shoulder")


def _limb(name: str, start: str, end: str, twin: str, lower: bool) -> Part:
    # Lower limbs reach half a limb beyond wrist and ankle, so that hands and feet are covered.
    return Part(
        name=name,
        region="limb",
        joints=(start, end),
        needs=2,
        twin=twin,
        extension=0.5 if lower else 0.1,
        fit_extension=0.3 if lower else 0.1,
    )


# The reference's own list calls joints 14 to 17 left, right, left, right; the data are right, left,
# right, left (checked against images), and that order matters when an image is flipped.
OPENPOSE18 = Skeleton(
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
        # The whole image moves with the torso: it is always there, so whatever no other part
        # covers has somewhere to come from (the authors found this to work better than a box).
        Part(name="torso", region="image", joints=_TORSO, needs=4, mandatory=True),
        Part(
            name="head",
            region="square",
            joints=_HEAD,
            anchors=("right_shoulder", "left_shoulder"),
        ),
        _limb("right_thigh", "right_hip", "right_knee", "left_thigh", lower=False),
        _limb("left_thigh", "left_hip", "left_knee", "right_thigh", lower=False),
        _limb("right_shin", "right_knee", "right_ankle", "left_shin", lower=True),
        _limb("left_shin", "left_knee", "left_ankle", "right_shin", lower=True),
        _limb("right_upper_arm", "right_shoulder", "right_elbow", "left_upper_arm", lower=False),
        _limb("left_upper_arm", "left_shoulder", "left_elbow", "right_upper_arm", lower=False),
        _limb("right_forearm", "right_elbow", "right_wrist", "left_forearm", lower=True),
        _limb("left_forearm", "left_elbow", "left_wrist", "right_forearm", lower=True),
    ),
    unit=(("right_hip", "right_shoulder"), ("left_hip", "left_shoulder")),
    core=(*_TORSO, "right_knee", "left_knee"),
)
