"""The failure report, on poses whose answers are known by construction, and on Market-1501's."""

import json
import math

import pytest
import torch

from deformgan.evaluation.failures import RESAMPLES, failure_report, failures_table, part_pairs
from deformgan.evaluation.pair_diagnosis import diagnose_pairs, pose_distance
from deformgan.pose import Part, Pose, Skeleton
from deformgan.pose_formats.annotation_csv import read_annotation_csv
from deformgan.skeletons.openpose18 import OPENPOSE18
from deformgan.stats.bootstrap import bootstrap_interval

# Shoulders and hips 8 and 4 to either side of the middle, 30 apart: width over length 0.4.
BODY = {
    "nose": (32, 10),
    "neck": (32, 20),
    "right_eye": (30, 8),
    "left_eye": (34, 8),
    "right_ear": (28, 9),
    "left_ear": (36, 9),
    "right_shoulder": (24, 20),
    "left_shoulder": (40, 20),
    "right_elbow": (20, 36),
    "left_elbow": (44, 36),
    "right_wrist": (18, 50),
    "left_wrist": (46, 50),
    "right_hip": (28, 50),
    "left_hip": (36, 50),
    "right_knee": (27, 75),
    "left_knee": (37, 75),
    "right_ankle": (27, 100),
    "left_ankle": (37, 100),
}


def posed(missing=(), **moved):
    """One pose: the body with some joints elsewhere and some not seen."""
    joints = torch.tensor([(BODY | moved)[name] for name in OPENPOSE18.joints]).float()
    seen = torch.tensor([name not in missing for name in OPENPOSE18.joints])
    return Pose(joints[None], seen[None])


def turned_away(pose):
    """The same person from behind: the image mirrored, but not the names."""
    joints = pose.joints.clone()
    joints[..., 0] = 64 - joints[..., 0]
    return Pose(joints, pose.visible)


def test_every_kind_of_bucket_holds_the_pairs_that_were_built_for_it():
    side = posed(right_shoulder=(30, 20), left_shoulder=(34, 20))
    side.joints[:, OPENPOSE18.indices(["right_hip", "left_hip"]), 0] = 32.0
    source = Pose.cat([posed(), posed(), side, posed(), turned_away(posed()), posed()])
    few, many = ("left_wrist",), ("left_wrist", "right_wrist", "nose", "left_ankle")
    target = Pose.cat(
        [posed(few), side, posed(many), turned_away(posed()), posed(), posed(("neck", "nose"))]
    )
    source.visible[5, OPENPOSE18.indices(["left_ankle", "right_wrist"])] = False
    source.visible[3, OPENPOSE18.indices(["left_ankle", "right_ankle"])] = False
    kinds = part_pairs(diagnose_pairs(source, target, OPENPOSE18))

    def labels(kind):
        return [kinds[kind].labels[place] for place in kinds[kind].bucket.tolist()]

    assert labels("view_change") == [
        *("same view", "to the side", "from the side", "front to back", "back to front"),
        "same view",
    ]
    assert labels("missing_in_target") == ["1 to 2", "0", "3 or more", "0", "0", "1 to 2"]
    assert labels("missing_in_source") == ["0", "0", "0", "1 to 2", "0", "1 to 2"]
    assert labels("lost_parts") == ["0", "0", "0", "2 or more", "0", "0"]
    assert labels("twin_parts") == ["0", "0", "0", "0", "0", "2 or more"]
    assert labels("pose_change")[0].startswith("up to")
    assert labels("pose_change")[3].startswith("over")


def test_quartiles_hold_a_quarter_each_and_fixed_edges_are_kept(people):
    poses = people(41), people(41, seed=1)
    diagnosis = diagnose_pairs(*poses, OPENPOSE18)
    quarters = part_pairs(diagnosis)["pose_change"]
    assert quarters.bucket.bincount().tolist() == [11, 10, 10, 10]
    fixed = part_pairs(diagnosis, edges=(0.1, 0.12))["pose_change"]
    for distance, place in zip(diagnosis.distance.tolist(), fixed.bucket.tolist(), strict=True):
        assert place == (distance > 0.1) + (distance > 0.12)
    assert fixed.labels == ("up to 0.10", "0.10 to 0.12", "over 0.12", "unknown")


def report_of(source, target, numbers, **options):
    names = [(f"s{row}.png", f"t{row}.png") for row in range(len(source))]
    return failure_report(source, target, names, numbers, OPENPOSE18, **options)


def test_means_and_intervals_are_those_of_the_bucket_alone(people):
    source, target = people(24, hidden=0.1), people(24, seed=1, hidden=0.1)
    numbers = {"ssim": torch.rand(24), "pckh": torch.rand(24)}
    report = report_of(source, target, numbers)
    kinds = part_pairs(diagnose_pairs(source, target, OPENPOSE18))
    for kind, parting in kinds.items():
        groups = report["buckets"][kind]["buckets"]
        assert sum(group["n"] for group in groups) == 24
        for group in groups:
            rows = parting.bucket == parting.labels.index(group["bucket"])
            assert group["n"] == int(rows.sum())
            found = group["metrics"]["ssim"]
            assert found["value"] == pytest.approx(numbers["ssim"][rows].mean().item())
            if group["n"] > 1:
                alone = bootstrap_interval(numbers["ssim"][rows], RESAMPLES)
                assert found["ci95"] == pytest.approx(alone)
            asked = target.visible[rows].sum(dim=1)
            hits = (numbers["pckh"][rows] * asked).sum() / asked.sum()
            assert group["metrics"]["pckh"]["value"] == pytest.approx(hits.item())


def test_numbers_that_a_pair_lacks_do_not_count(people):
    source, target = people(6), people(6, seed=1)
    values = torch.tensor([1.0, math.nan, 3.0, math.nan, 5.0, math.nan])
    report = report_of(source, target, {"part_error_head": values, "none": values * math.nan})
    (group,) = report["buckets"]["lost_parts"]["buckets"]
    assert group["n"] == 6
    assert group["metrics"]["none"] is None
    assert group["metrics"]["part_error_head"]["n"] == 3
    assert group["metrics"]["part_error_head"]["value"] == 3


def test_the_error_of_a_part_is_parted_by_what_became_of_it():
    source = Pose.cat([posed(), posed(), posed(("left_wrist",)), posed(("left_wrist",))])
    target = Pose.cat([posed()] * 4)
    errors = torch.tensor([0.1, 0.3, 0.6, 1.0])
    report = report_of(source, target, {"part_error_left_forearm": errors})
    found = report["parts"]["left_forearm"]
    assert set(found) == {"own", "twin"}
    assert found["own"]["value"] == pytest.approx(0.2)
    assert found["twin"]["value"] == pytest.approx(0.8)
    assert found["twin"]["n"] == 2


def test_the_worst_pairs_come_first_with_a_sentence_that_says_why():
    source = Pose.cat([posed(), posed(("left_wrist",)), posed()])
    target = Pose.cat([posed(), turned_away(posed()), posed(("nose",))])
    numbers = {"ssim": torch.tensor([0.9, 0.1, math.nan]), "l1": torch.tensor([0.2, 0.1, 0.7])}
    worst = report_of(source, target, numbers)["worst"]
    assert [pair["to"] for pair in worst["pairs"]] == ["t1.png", "t0.png"]
    assert worst["pairs"][0]["why"] == (
        f"from front to back; joints move by {pose_distance(source, target, OPENPOSE18)[1]:.2f} "
        "torso lengths; left forearm taken from the twin; the source lacks left wrist."
    )
    by_error = report_of(source, target, numbers, worst_by="l1", worst=1)["worst"]
    assert [pair["value"] for pair in by_error["pairs"]] == pytest.approx([0.7])
    with pytest.raises(ValueError, match="worst_by"):
        report_of(source, target, numbers, worst_by="psnr")


def test_another_skeleton_is_only_data():
    quadruped = Skeleton(
        name="table",
        joints=("front_left", "front_right", "back_left", "back_right", "tail"),
        mirrored=(("front_right", "front_left"), ("back_right", "back_left")),
        limbs=(("back_left", "tail"),),
        parts=(
            Part("trunk", "image", ("front_left", "front_right", "back_right"), mandatory=True),
            Part("tail", "limb", ("back_left", "tail")),
        ),
        unit=(("back_right", "front_right"), ("back_left", "front_left")),
        core=("front_left", "front_right"),
    )
    joints = torch.tensor([[[40.0, 20], [20, 20], [40, 50], [20, 50], [40, 80]]])
    pose = Pose(joints, torch.ones(1, 5, dtype=torch.bool))
    hidden = Pose(joints, torch.tensor([[True, True, True, True, False]]))
    report = failure_report(hidden, pose, [("a", "b")], {"ssim": torch.rand(1)}, quadruped)
    assert report["pairs"]["lost_parts"] == ["tail"]
    assert report["pairs"]["missing_in_source"] == ["tail"]
    assert report["pairs"]["source_view"] == ["front"]


def test_the_table_shows_every_bucket_and_lists_the_worst(people):
    source, target = people(12, hidden=0.1), people(12, seed=1, hidden=0.1)
    numbers = {"ssim": torch.rand(12), "part_error_head": torch.rand(12)}
    report = report_of(source, target, numbers, worst=3)
    table = failures_table(report)
    for parting in report["buckets"].values():
        for group in parting["buckets"]:
            shown = group["metrics"]["ssim"]
            assert f"| {group['bucket']} | {group['n']} | {shown['value']:.3f}" in table
    assert "part_error" not in table
    assert "| head |" in table
    assert table.count("s0.png") <= 1
    assert sum(f"| t{row}.png |" in table for row in range(12)) == 3
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in rows)


def test_a_report_of_market1501_is_json_and_its_columns_tell_what_the_table_says(market1501):
    table = read_annotation_csv(market1501 / "market-annotation-train.csv")
    usable = table.pose.usable(OPENPOSE18)
    pose = table.pose[usable][:2000]
    names = [name for name, fine in zip(table.names, usable.tolist(), strict=True) if fine][:2000]
    target = pose[[*range(1, 2000), 0]]
    pairs = list(zip(names, names[1:] + names[:1], strict=True))
    numbers = {"ssim": torch.rand(2000)}
    report = failure_report(pose, target, pairs, numbers, OPENPOSE18)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    columns = report["pairs"]
    assert all(len(column) == 2000 for column in columns.values())
    hips = OPENPOSE18.indices(["right_hip", "left_hip"])
    for row in range(0, 2000, 97):
        missing = columns["missing_in_source"][row].split()
        asked = columns["missing_in_target"][row].split()
        assert [j in missing for j in OPENPOSE18.joints] == (~pose.visible[row]).tolist()
        # The definition, once more in words: both shins of the source hidden, a target shin asked.
        ankles_hidden = {"right_ankle", "left_ankle"} <= set(missing)
        if ankles_hidden and not {"left_knee", "left_ankle"} & set(asked):
            assert "left_shin" in columns["lost_parts"][row].split()
        if columns["source_view"][row] == "front":
            right, left = pose.joints[row, hips, 0].tolist()
            assert left > right or abs(left - right) < 20
    few = sum(group["n"] for group in report["buckets"]["lost_parts"]["buckets"][1:])
    assert few == sum(bool(lost) for lost in columns["lost_parts"])
    assert 0.2 < few / 2000 < 0.5
