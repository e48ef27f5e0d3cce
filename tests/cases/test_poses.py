"""Pose files of other tools, coordinates that are no pixels, and one odd person among others."""

import json

import numpy as np
import pytest
import torch

from deformgan.errors import InputError
from deformgan.inputs import read_frames
from deformgan.pose_formats import read_annotations, read_single

# x, y of COCO's 17 joints in a picture of 200x100 (height x width).
PLACES = np.array(
    [
        (50, 20), (53, 17), (47, 17), (56, 19), (44, 19), (65, 45), (35, 45), (70, 70), (30, 70),
        (72, 92), (28, 92), (60, 95), (40, 95), (61, 135), (39, 135), (62, 175), (38, 175.5),
    ],
    dtype=float,
)  # fmt: skip
SIZE = (200, 100)
NOSE, ANKLE = 0, 10  # in openpose18: the nose, the right ankle


def write(tmp_path, content, name="p.json"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def coco(places, score=2.0):
    return [float(value) for x, y in places for value in (x, y, score)]


def openpose(places, score=1.0):
    """54 numbers, in OpenPose's order."""
    from deformgan.pose_formats.coco_json import OPENPOSE18_FROM_COCO17

    with_neck = [*places, (places[5] + places[6]) / 2]
    return coco([with_neck[joint] for joint in OPENPOSE18_FROM_COCO17], score)


def assert_is_person(pose):
    assert pose.visible.all()
    torch.testing.assert_close(
        pose.joints[0, [NOSE, ANKLE]], torch.tensor([[50, 20], [38, 175.5]]), atol=0.51, rtol=0
    )


SHARES = PLACES / (SIZE[1], SIZE[0])
IMAGE = {"id": 1, "file_name": "a.jpg", "height": SIZE[0], "width": SIZE[1]}
CANVAS = {"canvas_height": SIZE[0], "canvas_width": SIZE[1]}


def test_01_shares_are_scaled_by_the_canvas_or_refused(case):
    folder = case("01-openpose-normalised")
    pixels = read_single(folder / "controlnet_px.json")
    shares = read_single(folder / "controlnet_norm.json")
    assert pixels.size == shares.size == (512, 256)
    assert torch.equal(pixels.pose.visible, shares.pose.visible)
    torch.testing.assert_close(pixels.pose.joints, shares.pose.joints, atol=0.01, rtol=0)
    torch.testing.assert_close(shares.pose.joints[0, 0], torch.tensor([150.59, 67.86]))
    for path in (folder / "scale3_keypoints.json", folder / "frames"):
        with pytest.raises(InputError, match="shares of the picture, not pixels"):
            read_frames(path) if path.is_dir() else read_single(path)


@pytest.mark.parametrize(
    "content",
    [
        {"people": [{"pose_keypoints_2d": openpose(SHARES)}], **CANVAS},
        [{"people": [{"pose_keypoints_2d": openpose(SHARES)}], **CANVAS}],
        {"people": [{"pose_keypoints_2d": openpose(2 * SHARES - 1)}], **CANVAS},
        {"people": [{"pose_keypoints_2d": openpose(PLACES)}], **CANVAS},
        {"people": [{"pose_keypoints": openpose(PLACES)}]},  # OpenPose 1.0
        {"people": [{"hand_left_keypoints_2d": []}, {"pose_keypoints_2d": openpose(PLACES)}]},
        {"people": [{"pose_keypoints_2d": []}, {"pose_keypoints_2d": openpose(PLACES)}]},
        {"people": [{"pose_keypoints_2d": None, "face_keypoints_2d": [1]},
                    {"pose_keypoints_2d": openpose(PLACES)}]},
        {"images": [IMAGE], "annotations": [{"image_id": 1, "keypoints": coco(SHARES)}]},
        {"images": [IMAGE], "annotations": [{"image_id": 1, "keypoints": []},
                                            {"image_id": 1, "keypoints": coco(PLACES)}]},
        [{"image_id": "a.jpg", "keypoints": coco(PLACES, 0.9), "score": 2.9}],  # AlphaPose
        [{"image_id": "a.jpg", "keypoints": coco([*PLACES, *PLACES[:9]], 0.9)}],  # Halpe, 26
        [{"image_id": "a.jpg", "keypoints": coco(np.resize(PLACES, (133, 2)), 0.9)}],
        [{"keypoints": PLACES.tolist(), "keypoint_scores": [0.9] * 17, "bbox": [[0, 0, 1, 1]]}],
        [[{"keypoints": PLACES.tolist(), "keypoint_scores": [0.9] * 17}]],
        [{"frame_id": 0, "instances": [{"keypoints": PLACES.tolist(),
                                        "keypoint_scores": [0.9] * 17}]}],
        {"meta_info": {}, "instance_info": [
            {"frame_id": 3, "instances": [{"keypoints": PLACES.tolist(),
                                           "keypoint_scores": [0.9] * 17}]}]},
        [{"name": "person", "class": 0, "box": {}, "keypoints": {
            "x": PLACES[:, 0].tolist(), "y": PLACES[:, 1].tolist(), "visible": [0.9] * 17}}],
    ],
)  # fmt: skip
def test_files_of_other_tools_are_read_in_pixels(tmp_path, content):
    assert_is_person(read_single(write(tmp_path, content)).pose)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.json", {"people": [{"pose_keypoints_2d": openpose(SHARES)}]}),
        ("p.json", {"people": [{"pose_keypoints_2d": openpose(2 * SHARES - 1)}]}),
        ("p.json", [{"image_id": 1, "keypoints": coco(SHARES, 0.9)}]),
        ("p.json", {"images": [{"id": 1, "file_name": "a"}],
                    "annotations": [{"image_id": 1, "keypoints": coco(SHARES)}]}),
        ("p.json", {"skeleton": "openpose18", "poses": {"a": {
            "nose": [0.5, 0.1], "neck": [0.5, 0.2], "right_hip": [0.4, 0.5]}}}),
        ("p.json", [{"keypoints": SHARES.tolist(), "keypoint_scores": [0.9] * 17}]),
        ("p.csv", "name:keypoints_y:keypoints_x\na: " + str([0.25] * 18) + ": " + str([0.5] * 18)),
        ("p.txt", "0 0.5 0.5 0.4 0.9" + " 0.51 0.22 2.0" * 17),
    ],
)  # fmt: skip
def test_shares_without_a_size_are_refused_by_name(tmp_path, name, content):
    with pytest.raises(InputError, match="shares of the picture"):
        read_annotations(write(tmp_path, content, name))


def test_a_small_person_in_whole_pixels_is_no_share(tmp_path):
    content = {"skeleton": "openpose18", "poses": {"a": {"nose": [0, 0], "neck": [1, 1],
                                                         "right_hip": [0, 2]}}}  # fmt: skip
    assert read_annotations(write(tmp_path, content)).pose.joints[0, 1].tolist() == [1, 1]


def test_a_low_score_is_blamed_and_the_limit_can_be_lowered(tmp_path):
    path = write(tmp_path, [{"image_id": 1, "keypoints": coco(PLACES, 0.21)}])
    with pytest.raises(InputError, match=r"score of 0\.3 or more, the highest is 0\.21"):
        read_annotations(path)
    assert_is_person(read_single(path, min_score=0.2).pose)
    assert_is_person(read_single(path, min_score=0.0).pose)
    path = write(tmp_path, {"people": [{"pose_keypoints_2d": openpose(PLACES, 0.21)}]})
    assert_is_person(read_single(path).pose)
    with pytest.raises(InputError, match=r"score of 0\.5 or more"):
        read_annotations(path, min_score=0.5)


ODD = [
    [1.0] * 50,
    [float("nan")] * 54,
    [float("inf")] + [1.0] * 53,
    ["1"] * 54,
    [True] * 54,
    {"x": 1},
    "keypoints",
    [10**400] * 54,
]


@pytest.mark.parametrize("odd", ODD)
def test_one_odd_person_does_not_stop_a_film_but_a_single_picture(tmp_path, odd):
    good = {"pose_keypoints_2d": openpose(PLACES)}
    for number in range(3):
        people = [good] if number != 1 else [{"pose_keypoints_2d": odd}]
        write(tmp_path, {"people": people}, f"f{number}_keypoints.json")
    write(tmp_path, {"people": [{"pose_keypoints_2d": odd}, good]}, "f3_keypoints.json")
    film = read_frames(tmp_path)
    assert film.pose.visible.any(dim=1).tolist() == [True, False, True, True]
    with pytest.raises(InputError, match="person 0"):
        read_single(tmp_path / "f3_keypoints.json")


def test_NaN_is_called_so(tmp_path):
    values = openpose(PLACES)
    values[7] = float("nan")
    with pytest.raises(InputError, match="person 0: number 7 is NaN"):
        read_annotations(write(tmp_path, {"people": [{"pose_keypoints_2d": values}]}))


@pytest.mark.parametrize("name", ["n.json", "n2.json", "n3.json"])
def test_25_what_no_parser_expects_is_one_line(case, name):
    with pytest.raises(InputError) as error:
        read_annotations(case("25-parsers") / name)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"people": ' * 5000,
        '{"people": [{"pose_keypoints_2d": [' + "9" * 5000 + "]}]}",
        '{"images": [{"id": [], "file_name": "a"}], "annotations": []}',
        '{"images": [], "annotations": [{"image_id": {}, "keypoints": ' + str([1] * 51) + "}]}",
        '{"skeleton": [], "poses": {}}',
        '{"skeleton": "openpose18", "poses": {"a": {"nose": [1e999, 0]}}}',
        '[{"instances": [7]}]',
        "[{}]",
        '[{"keypoints": [[1]], "keypoint_scores": [1]}]',
        '[{"keypoints": {"x": 1, "y": [], "visible": {}}}]',
        '"a text"',
        "7",
        "null",
        "\ufeff",
        "\0",
    ],
)
def test_odd_json_is_an_error_of_the_file(tmp_path, text):
    path = write(tmp_path, text)
    with pytest.raises(InputError) as error:
        read_annotations(path)
    assert str(path) in str(error.value)
