"""OpenPose's files become openpose18."""

import json

import pytest

from deformgan.errors import InputError
from deformgan.pose_formats import read_annotations, read_pose
from deformgan.skeletons.openpose18 import OPENPOSE18

# The order printed in OpenPose's documentation, in our words.
BODY_25: list[str] = [
    "nose",
    "neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "mid_hip",
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
    "left_big_toe",
    "left_small_toe",
    "left_heel",
    "right_big_toe",
    "right_small_toe",
    "right_heel",
]


def write(tmp_path, *people, name="walk_000000000012_keypoints.json"):
    path = tmp_path / name
    content = {"version": 1.3, "people": [{"pose_keypoints_2d": person} for person in people]}
    path.write_text(json.dumps(content))
    return path


def keypoints(count, scale=1.0, missing=()):
    """Joint j at (j, 100 + j), times a scale; missing ones as OpenPose writes them."""
    rows = [
        [0, 0, 0] if j in missing else [scale * j, scale * (100 + j), 0.5] for j in range(count)
    ]
    return [value for row in rows for value in row]


def test_body_25_drops_the_middle_of_the_hips_and_the_feet(tmp_path):
    pose = read_pose(write(tmp_path, keypoints(25)))
    expected = [[BODY_25.index(joint), 100 + BODY_25.index(joint)] for joint in OPENPOSE18.joints]
    assert pose.joints[0].tolist() == expected
    assert pose.visible.all()


def test_body_25_by_hand(tmp_path):
    pose = read_pose(write(tmp_path, keypoints(25)))
    assert pose.joints[0, OPENPOSE18.index("right_hip")].tolist() == [9, 109]
    assert pose.joints[0, OPENPOSE18.index("left_ankle")].tolist() == [14, 114]
    assert pose.joints[0, OPENPOSE18.index("left_ear")].tolist() == [18, 118]


def test_the_18_of_the_coco_model_keep_their_order(tmp_path):
    pose = read_pose(write(tmp_path, keypoints(18)))
    assert pose.joints[0].tolist() == [[j, 100 + j] for j in range(18)]


def test_a_score_of_zero_is_a_missing_joint(tmp_path):
    pose = read_pose(write(tmp_path, keypoints(25, missing=(4, 9))))
    assert (~pose.visible[0]).nonzero().flatten().tolist() == [4, 8]


def test_of_several_people_the_largest_is_read_or_the_one_asked_for(tmp_path):
    path = write(tmp_path, keypoints(18), keypoints(18, 3.0), keypoints(18, 2.0))
    assert read_pose(path).joints[0, 1].tolist() == [3, 303]
    assert read_pose(path, person=2).joints[0, 1].tolist() == [2, 202]
    for person in (3, -1):
        with pytest.raises(InputError, match=f"no person {person} .* there are 3"):
            read_pose(path, person=person)


def test_the_frame_is_named_by_the_file(tmp_path):
    assert read_annotations(write(tmp_path, keypoints(18))).names == ["walk_000000000012"]


def test_nobody_in_the_frame_is_no_pose(tmp_path):
    path = write(tmp_path)
    assert len(read_annotations(path)) == 0
    with pytest.raises(InputError, match="has 0 poses"):
        read_pose(path)


@pytest.mark.parametrize("person", [[1, 2, 3], None, "x", [*keypoints(17), 0, 0, None]])
def test_a_malformed_person_is_refused(tmp_path, person):
    with pytest.raises(InputError, match=r"person 1 has .* values"):
        read_pose(write(tmp_path, keypoints(18), person))
