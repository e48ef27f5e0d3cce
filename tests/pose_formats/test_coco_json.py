"""COCO keypoints become openpose18."""

import json
from dataclasses import replace

import pytest
import torch

from deformgan.errors import InputError
from deformgan.pose import Pose
from deformgan.pose_formats import read_annotations, read_pose
from deformgan.pose_formats.coco_json import COCO17, openpose18_from_coco17
from deformgan.skeletons import find_skeleton
from deformgan.skeletons.openpose18 import OPENPOSE18


def keypoints(flags=(2,) * 17, scale=1.0):
    """Joint j at (j, 100 + j), times a scale."""
    rows = [[scale * j, scale * (100 + j), v] if v else [0, 0, 0] for j, v in enumerate(flags)]
    return [value for row in rows for value in row]


def write(tmp_path, content):
    path = tmp_path / "person_keypoints.json"
    path.write_text(json.dumps(content))
    return path


def annotation_file(*annotations, size=(480, 640)):
    images = [
        {"id": 7, "file_name": "a.jpg", "height": size[0], "width": size[1]},
        {"id": 9, "file_name": "b.jpg", "height": 480, "width": 640},
    ]
    return {"images": images, "annotations": list(annotations), "categories": [{"id": 1}]}


def test_every_joint_finds_its_place_and_the_neck_is_between_the_shoulders(tmp_path):
    path = write(tmp_path, annotation_file({"image_id": 7, "keypoints": keypoints()}))
    pose = read_pose(path)
    for joint in COCO17:
        j = COCO17.index(joint)
        assert pose.joints[0, OPENPOSE18.index(joint)].tolist() == [j, 100 + j]
    # Left shoulder is COCO's fifth (from 0), right shoulder its sixth.
    assert pose.joints[0, OPENPOSE18.index("neck")].tolist() == [5.5, 105.5]
    assert pose.visible.all()


def test_by_hand():
    joints = torch.arange(17.0)[None, :, None].expand(1, 17, 2).contiguous()
    pose = openpose18_from_coco17(Pose(joints, torch.ones(1, 17, dtype=torch.bool)))
    expected = [0, 5.5, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3]
    assert pose.joints[0, :, 0].tolist() == expected


@pytest.mark.parametrize("side", ["right_shoulder", "left_shoulder"])
def test_the_neck_needs_both_shoulders(tmp_path, side):
    flags = [0 if joint == side else 2 for joint in COCO17]
    path = write(tmp_path, annotation_file({"image_id": 7, "keypoints": keypoints(flags)}))
    pose = read_pose(path)
    missing = [OPENPOSE18.joints[j] for j in (~pose.visible[0]).nonzero().flatten().tolist()]
    assert missing == sorted(["neck", side], key=OPENPOSE18.index)
    assert pose.joints[0, OPENPOSE18.index("neck")].tolist() == [0, 0]


def test_a_hidden_joint_counts_as_visible(tmp_path):
    flags = [1] * 17
    path = write(tmp_path, annotation_file({"image_id": 7, "keypoints": keypoints(flags)}))
    assert read_pose(path).visible.all()


def test_people_go_by_the_name_of_their_image(tmp_path):
    path = write(
        tmp_path,
        annotation_file(
            {"image_id": 9, "keypoints": keypoints()},
            {"image_id": 7, "keypoints": keypoints(scale=2.0)},
            {"image_id": 9, "keypoints": keypoints(scale=3.0)},
            {"image_id": 9, "bbox": [0, 0, 5, 5]},
            {"image_id": 9, "keypoints": [0] * 51, "num_keypoints": 0},
        ),
    )
    annotations = read_annotations(path)
    assert annotations.names == ["b.jpg", "a.jpg", "b.jpg"]
    assert annotations.size == (480, 640)
    assert read_pose(f"{path}:a.jpg").joints[0, 0].tolist() == [0, 200]
    assert read_pose(f"{path}:b.jpg").joints[0, 0].tolist() == [0, 300]
    assert read_pose(path, "b.jpg", person=0).joints[0, 0].tolist() == [0, 100]


def test_images_of_different_sizes_have_no_common_one(tmp_path):
    content = annotation_file({"image_id": 7, "keypoints": keypoints()}, size=(100, 50))
    assert read_annotations(write(tmp_path, content)).size is None


def test_results_of_a_detector_count_from_a_score_of_three_tenths(tmp_path):
    scores = [0.29 if joint == "nose" else 0.3 for joint in COCO17]
    results = [{"image_id": 42, "category_id": 1, "keypoints": keypoints(scores), "score": 0.9}]
    annotations = read_annotations(write(tmp_path, results))
    assert annotations.names == ["42"]
    assert (~annotations.pose.visible[0]).nonzero().flatten().tolist() == [0]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (
            annotation_file({"image_id": 7, "keypoints": [1, 2, 3]}),
            "annotation 0 has 3 values; it has no list of 51",
        ),
        (annotation_file({"image_id": 8, "keypoints": keypoints()}), "the unlisted image 8"),
        (annotation_file("x"), "annotation 0 is not an object"),
        ({"images": [{"id": 7}], "annotations": []}, "'images' is not a list"),
        ({"images": 7, "annotations": []}, "'images' is not a list"),
        ([{"image_id": 1, "keypoints": None}, {"image_id": 1, "keypoints": "x"}], "annotation 1"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path, content, complaint):
    with pytest.raises(InputError, match=complaint):
        read_annotations(write(tmp_path, content))


def test_another_skeleton_s_keypoints_are_taken_as_they_are(tmp_path):
    coco17 = find_skeleton("coco17")
    path = write(tmp_path, annotation_file({"image_id": 7, "keypoints": keypoints()}))
    table = read_annotations(path, coco17)
    assert table.skeleton is coco17
    values = torch.tensor(json.loads(path.read_text())["annotations"][0]["keypoints"])
    assert table.pose.joints[0].equal(values.reshape(17, 3)[:, :2].float())


def test_ap_10k_s_seventeen_are_the_first_of_our_twenty(tmp_path):
    path = write(tmp_path, annotation_file({"image_id": 7, "keypoints": keypoints()}))
    pose = read_annotations(path, find_skeleton("quadruped20")).pose
    assert pose.joints.shape == (1, 20, 2)
    assert pose.visible[0].tolist() == [True] * 17 + [False] * 3


def test_more_keypoints_than_joints_are_refused(tmp_path):
    path = write(tmp_path, annotation_file({"image_id": 7, "keypoints": keypoints()}))
    leaf = replace(find_skeleton("coco17"), name="leaf", joints=("a", "b", "c"))
    with pytest.raises(InputError, match="no list of 9 numbers in 'keypoints', 3 for each joint"):
        read_annotations(path, leaf)
