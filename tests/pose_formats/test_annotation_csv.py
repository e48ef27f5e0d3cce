"""The field's annotation table: what is read, what is refused, round trips."""

import pytest
import torch

from deformgan.errors import InputError
from deformgan.pose import Pose
from deformgan.pose_formats.annotation_csv import (
    HEADER,
    parse_row,
    read_annotation_csv,
    write_annotation_csv,
)
from deformgan.pose_formats.annotations import Annotations
from deformgan.skeletons.openpose18 import OPENPOSE18

Y = [3, 12, 13, -1, 40, 12, 25, 38, 60, 85, 110, 61, 86, 111, 2, 2, 4, -1]
X = [30, 31, 20, -1, 15, 42, 45, 47, 25, 24, 23, 38, 39, 40, 28, 33, -1, 9]


def table(tmp_path, *lines, header=HEADER):
    path = tmp_path / "annotation.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_the_first_list_is_y_and_the_second_x(tmp_path):
    pose = read_annotation_csv(table(tmp_path, f"a.jpg: {Y}: {X}"))["a.jpg"]
    nose, left_ankle = OPENPOSE18.index("nose"), OPENPOSE18.index("left_ankle")
    assert pose.joints[0, nose].tolist() == [30, 3]
    assert pose.joints[0, left_ankle].tolist() == [40, 111]


def test_a_joint_is_missing_if_either_coordinate_is_minus_one(tmp_path):
    pose = read_annotation_csv(table(tmp_path, f"a.jpg: {Y}: {X}"))["a.jpg"]
    assert (~pose.visible[0]).nonzero().flatten().tolist() == [3, 16, 17]
    assert pose.joints[0, [3, 16, 17]].eq(0).all()


def test_other_negative_coordinates_lie_outside_the_image_and_count(tmp_path):
    x = [-7, *X[1:]]
    pose = read_annotation_csv(table(tmp_path, f"a.jpg: {Y}: {x}"))["a.jpg"]
    assert pose.visible[0, 0]
    assert pose.joints[0, 0].tolist() == [-7, 3]


def test_order_blanks_fractions_and_empty_lines_are_taken_as_they_come(tmp_path):
    path = table(tmp_path, f"b.jpg:{Y}:{X}", "", f"a.jpg:  {[y + 0.25 for y in Y]} : {X} ")
    annotations = read_annotation_csv(path)
    assert annotations.names == ["b.jpg", "a.jpg"]
    assert annotations.pose.joints[1, 0].tolist() == [30, 3.25]
    assert annotations.pose.visible[1, 17]  # -1 + 0.25 is not -1


def test_an_empty_table_has_no_poses(tmp_path):
    assert len(read_annotation_csv(table(tmp_path))) == 0


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (f"a.jpg: {Y}", "line 3: 2 fields"),
        (f"a:b.jpg: {Y}: {X}", "line 3: 4 fields"),
        (f": {Y}: {X}", "line 3: the name is empty"),
        (f"first.jpg: {Y}: {X}", "line 3: 'first.jpg' is already on line 2"),
        (f"a.jpg: {Y[:17]}: {X}", "line 3: the y coordinates are not a list of 18 numbers"),
        (f"a.jpg: {Y}: {[*X, 1]}", "line 3: the x coordinates are not a list of 18 numbers"),
        (f"a.jpg: {Y}: [1, 2", "line 3: the x coordinates"),
        (f"a.jpg: {Y}: {X}".replace("31", "NaN"), "line 3: the x coordinates"),
        (f"a.jpg: {Y}: {X}".replace("31", "true"), "line 3: the x coordinates"),
        (f"a.jpg: {Y}: {X}".replace("31", '"31"'), "line 3: the x coordinates"),
        (f"a.jpg: 7: {X}", "line 3: the y coordinates"),
        (f"a.jpg: {[10**400, *Y[1:]]}: {X}", "line 3: the y coordinates"),
        (f"a.jpg: {[1e39, *Y[1:]]}: {X}", "line 3: the y coordinates"),
        (f"a.jpg: {'9' * 5000}: {X}", "line 3: the y coordinates"),
        (f"a.jpg: {'[' * 100_000}: {X}", "line 3: the y coordinates"),
    ],
)
def test_a_malformed_row_is_refused_with_file_and_line(tmp_path, line, complaint):
    path = table(tmp_path, f"first.jpg: {Y}: {X}", line)
    with pytest.raises(InputError, match=complaint) as error:
        read_annotation_csv(path)
    assert str(path) in str(error.value)


def test_one_row_is_read_by_itself_or_refused_in_one_sentence():
    assert parse_row(f" a b.jpg : {Y}:{X}\n") == ("a b.jpg", Y, X)
    with pytest.raises(InputError, match=r"^2 fields; a line is"):
        parse_row("a.jpg: []")


def test_a_wrong_header_a_missing_file_and_a_photo_are_refused(tmp_path):
    with pytest.raises(InputError, match="line 1: the header"):
        read_annotation_csv(table(tmp_path, header="name,y,x"))
    with pytest.raises(InputError, match="cannot be read"):
        read_annotation_csv(tmp_path / "absent.csv")
    photo = tmp_path / "photo.csv"
    photo.write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(InputError, match="cannot be read"):
        read_annotation_csv(photo)


def test_writing_gives_the_very_text_that_was_read(tmp_path):
    x = [-1 if y == -1 else x for y, x in zip(Y, X, strict=True)]
    y = [-1 if x == -1 else y for y, x in zip(Y, X, strict=True)]
    path = table(tmp_path, f"b.jpg: {y}: {x}", f"a.jpg: {y}: {x}")
    write_annotation_csv(tmp_path / "again.csv", read_annotation_csv(path))
    assert (tmp_path / "again.csv").read_text() == path.read_text()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["again.csv", "annotation.csv"]


def test_the_authors_table_survives_a_round_trip_byte_for_byte(market1501, tmp_path):
    lines = (market1501 / "market-annotation-train.csv").read_bytes().splitlines(keepends=True)
    path = tmp_path / "head.csv"
    path.write_bytes(b"".join(lines[:1000]))
    write_annotation_csv(tmp_path / "again.csv", read_annotation_csv(path))
    assert (tmp_path / "again.csv").read_bytes() == path.read_bytes()


def test_any_pose_survives_a_round_trip_to_hundredths(tmp_path):
    joints = torch.rand(20, 18, 2) * 80 - 10
    joints[0] = -1.0  # in sight, but where the format says "missing"
    pose = Pose(joints, torch.rand(20, 18) < 0.7)
    names = [f"{i}.jpg" for i in range(20)]
    write_annotation_csv(tmp_path / "a.csv", Annotations(names, pose))
    again = read_annotation_csv(tmp_path / "a.csv")
    assert again.names == names
    assert torch.equal(again.pose.visible, pose.visible)
    error = (again.pose.joints - joints)[pose.visible].abs()
    assert error.max() <= 0.0151


def test_a_name_with_a_colon_cannot_be_written(tmp_path):
    pose = Pose(torch.zeros(1, 18, 2), torch.ones(1, 18, dtype=torch.bool))
    with pytest.raises(InputError, match="'a:b'"):
        write_annotation_csv(tmp_path / "a.csv", Annotations(["a:b"], pose))
    with pytest.raises(ValueError, match="2 joints"):
        write_annotation_csv(
            tmp_path / "a.csv", Annotations(["a"], Pose(pose.joints[:, :2], pose.visible[:, :2]))
        )
    assert not list(tmp_path.iterdir())
