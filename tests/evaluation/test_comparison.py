"""Comparisons of reports: intervals by scipy, the rest by hand."""

import json
import re

import numpy as np
import pytest
import torch
from scipy import stats

from deformgan.errors import InputError
from deformgan.evaluation.comparison import Report, better, compare_reports
from deformgan.evaluation.comparison_tables import write_latex, write_markdown
from deformgan.stats.paired import paired_difference
from deformgan.stats.significance import holm

# Differences


def test_the_interval_is_that_of_paired_difference_and_near_scipys(report, random_numbers):
    ours, theirs = random_numbers(60, seed=1, shift=0.05)
    found = compare_reports([report("a", {"ssim": ours}), report("b", {"ssim": theirs})])
    difference = found["systems"]["b"]["minus_first"]["ssim"]
    value, low, high = paired_difference(
        torch.tensor(theirs, dtype=torch.float64), torch.tensor(ours, dtype=torch.float64)
    )
    assert [difference["value"], *difference["ci95"]] == pytest.approx([value, low, high])
    outside = stats.bootstrap(
        (np.subtract(theirs, ours),), np.mean, n_resamples=20_000, method="percentile", rng=1
    ).confidence_interval
    assert difference["ci95"] == pytest.approx([outside.low, outside.high], abs=0.002)


def test_pckh_weighs_pairs_by_their_asked_joints(report):
    asked = [18, 9, 3]
    first = report("a", {"pckh": [1.0, 0.0, 1.0]}, asked=asked)
    second = report("b", {"pckh": [0.5, 1.0, 0.0]}, asked=asked)
    found = compare_reports([first, second])["systems"]["b"]["minus_first"]["pckh"]
    assert found["value"] == pytest.approx((-9 + 9 - 3) / 30)
    # Signed joints -9, 9, -3: all but +-3 are as far from 0 as -3 is, so every choice of signs.
    assert found["p"] == 1


# Which pairs are compared


def test_swapped_systems_differ_by_the_opposite_with_the_same_p(report, random_numbers):
    ours, theirs = random_numbers(20)
    a, b = report("a", {"ssim": ours}), report("b", {"ssim": theirs})
    forth = compare_reports([a, b])["systems"]["b"]["minus_first"]["ssim"]
    back = compare_reports([b, a])["systems"]["a"]["minus_first"]["ssim"]
    assert forth["value"] == pytest.approx(-back["value"])
    assert forth["p"] == back["p"]


def test_the_order_of_a_list_does_not_matter(report, random_numbers):
    ours, theirs = random_numbers(6)
    pairs = [(f"s{row}.png", f"t{row}.png") for row in range(6)]
    order = [3, 1, 5, 0, 2, 4]
    a, b = report("a", {"ssim": ours}), report("b", {"ssim": theirs})
    c = report("c", {"ssim": [theirs[row] for row in order]}, [pairs[row] for row in order])
    straight, shuffled = compare_reports([a, b]), compare_reports([a, c])
    assert (
        straight["systems"]["b"]["minus_first"]["ssim"]
        == shuffled["systems"]["c"]["minus_first"]["ssim"]
    )
    assert shuffled["same_pairs"]


def test_only_pairs_of_both_lists_are_compared_and_it_says_how_many(report):
    a = report("a", {"ssim": [0.1, 0.2, 0.3]})
    b = report("b", {"ssim": [0.9, 0.4]}, pairs=[("x.png", "y.png"), ("s1.png", "t1.png")])
    found = compare_reports([a, b])
    assert found["systems"]["b"]["minus_first"]["ssim"]["value"] == pytest.approx(0.4 - 0.2)
    assert found["systems"]["b"]["pairs_in_common"] == 1
    assert found["best"] == {}  # means of different pictures
    assert any("scored on 3, b on 2, 1 of them in both" in note for note in found["notes"])
    assert "lists of pairs differ" in write_markdown(found)


def test_lists_without_a_common_pair_are_not_compared(report):
    a = report("a", {"ssim": [0.1]})
    found = compare_reports([a, report("b", {"ssim": [0.9]}, pairs=[("x.png", "y.png")])])
    assert found["systems"]["b"]["minus_first"] == {}
    assert found["comparisons"] == 0
    assert "Paired difference" not in write_markdown(found)


def test_a_pair_that_is_listed_twice_meets_its_like(report):
    pairs = [("s.png", "t.png")] * 2
    a, b = report("a", {"ssim": [0.1, 0.5]}, pairs), report("b", {"ssim": [0.2, 0.8]}, pairs)
    found = compare_reports([a, b])["systems"]["b"]
    assert found["pairs_in_common"] == 2
    assert found["minus_first"]["ssim"]["value"] == pytest.approx(0.2)


def test_pairs_without_a_number_in_either_are_left_out(report):
    a = report("a", {"ssim": [0.1, None, 0.3, 0.4]})
    b = report("b", {"ssim": [0.2, 0.9, None, 0.6]})
    found = compare_reports([a, b])["systems"]["b"]["minus_first"]["ssim"]
    assert found["pairs"] == 2
    assert found["value"] == pytest.approx(0.15)


def test_comparisons_of_all_systems_and_metrics_are_corrected_together(report, random_numbers):
    systems = [
        report(
            label,
            {
                "ssim": random_numbers(12, seed, shift)[1],
                "l1": random_numbers(12, seed + 9, shift)[1],
            },
        )
        for label, seed, shift in (("a", 0, 0.0), ("b", 0, 0.3), ("c", 1, 0.0))
    ]
    found = compare_reports(systems)
    parts = [d for s in found["systems"].values() for d in s["minus_first"].values()]
    assert found["comparisons"] == len(parts) == 4
    assert [d["p_holm"] for d in parts] == pytest.approx(holm([d["p"] for d in parts]))
    assert all(d["significant"] == (d["p_holm"] < 0.05) for d in parts)
    b = found["systems"]["b"]["minus_first"]
    assert (b["ssim"]["verdict"], b["l1"]["verdict"]) == ("better", "worse")
    alone = compare_reports(systems, only=["ssim"])
    assert alone["comparisons"] == 2
    assert list(alone["better"]) == ["ssim"]


# What is not compared


def test_other_protocols_are_refused_with_the_entries_that_differ(report):
    a = report("a", {"ssim": [0.1, 0.2]})
    b = report("b", {"ssim": [0.1, 0.3]}, protocol={"name": "other", "ssim": {"taps": 13}})
    with pytest.raises(InputError, match=r"a and b .* ssim.taps \(11 against 13\)") as refusal:
        compare_reports([a, b])
    assert "name" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    found = compare_reports([a, b], across_protocols=True)
    assert found["protocol_differences"]["b"]["ssim.taps"] == [11, 13]
    assert found["best"] == {}
    assert "ACROSS PROTOCOLS" in write_markdown(found)
    assert "ACROSS PROTOCOLS" in write_latex(found)
    assert "| b † |" in write_markdown(found)


def test_other_pairs_are_no_other_protocol(report):
    a = report("a", {"ssim": [0.1, 0.2]}, protocol={"poses_sha256": "a"})
    other = {"pairs": 2, "pairs_sha256": "1", "poses_sha256": "b"}
    compare_reports([a, report("b", {"ssim": [0.1, 0.2]}, protocol=other)])
    other = {"poses_sha256": "b"}
    with pytest.raises(InputError, match="poses_sha256"):
        compare_reports([a, report("c", {"ssim": [0.1, 0.2]}, protocol=other)])


def test_metrics_of_other_judges_are_not_compared_and_it_says_so(report):
    a = report("a", {"pckh": [0.5, 0.6], "ssim": [0.1, 0.2]})
    other = {"pckh": {"value": 0.9, "ci95": None, "what": "joints that another detector finds"}}
    b = report("b", {"pckh": [0.8, 0.9], "ssim": [0.1, 0.3]}, metrics=other)
    found = compare_reports([a, b])
    assert list(found["systems"]["b"]["minus_first"]) == ["ssim"]
    assert found["systems"]["b"]["not_compared"] == {"pckh": "another judge"}
    assert "pckh" not in found["best"]
    note = next(note for note in found["notes"] if "pckh" in note)
    assert "joints that another detector finds" in note
    assert "what pckh is" in note
    assert "0.900 ‡" in write_markdown(found)


def test_numbers_of_all_pictures_together_are_shown_but_not_compared(report):
    def fid(value):
        return {"fid": {"value": value, "ci95": None, "what": "distance"}}

    a = report("a", {"ssim": [0.1, 0.2]}, metrics=fid(25.364))
    b = report("b", {"ssim": [0.1, 0.3]}, metrics=fid(12.659))
    found = compare_reports([a, b])
    assert found["best"]["fid"] == ["b"]
    assert found["systems"]["b"]["not_compared"] == {"fid": "of all pictures together"}
    assert "| fid ↓ | 25.36 | **12.66** |" in write_markdown(found)


def test_a_metric_that_one_lacks_is_told_with_its_reason(report):
    a = report("a", {"ssim": [0.1], "lpips": [0.4]})
    b = report("b", {"ssim": [0.2]}, unavailable={"lpips": "no weights here"})
    found = compare_reports([a, b])
    assert any("lpips of b" in note and "no weights here" in note for note in found["notes"])
    assert re.search(r"\| lpips ↓ \| .* \| - \|", write_markdown(found))
    assert "lpips" not in found["best"]


def test_equal_labels_and_unknown_metrics_are_refused(report):
    a = report("a", {"ssim": [0.1]})
    with pytest.raises(InputError, match="Two reports are called 'a'"):
        compare_reports([a, a])
    with pytest.raises(InputError, match="metric 'mood'; choose from ssim"):
        compare_reports([a, report("b", {"ssim": [0.1]})], only=["mood"])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[1, 2]", "not a report"),
        ("{}", "no 'protocol'"),
        ('{"protocol": {}}', "no 'metrics'"),
        ('{"protocol": "p", "metrics": {}}', "protocol is not"),
        ('{"protocol": {}, "metrics": []}', "not a report"),
        ('{"protocol": {}, "metrics": {"ssim": {}}}', "no 'value'"),
        ('{"protocol": {}, "metrics": {"ssim": {"value": "high"}}}', "not a report"),
        ('{"protocol": {}, "metrics": {}, "pairs": {"from": ["a"]}}', "no 'to'"),
        (
            '{"protocol": {}, "metrics": {}, "pairs": {"from": ["a"], "to": ["b"], '
            '"asked_joints": [18], "numbers": {"ssim": []}}}',
            "pairs.ssim has 0 entries, not 1",
        ),
    ],
)
def test_what_is_no_report_is_refused_in_one_line(tmp_path, text, complaint):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=complaint) as refusal:
        Report.read(tmp_path / "a.json", "a")
    assert "\n" not in str(refusal.value)
    assert "a.json" in str(refusal.value)


def test_a_report_without_numbers_of_pairs_gives_means_alone(tmp_path):
    data = {"protocol": {"name": "p"}, "metrics": {"ssim": {"value": 0.3, "ci95": [0.2, 0.4]}}}
    (tmp_path / "a.json").write_text(json.dumps(data))
    systems = [Report.read(tmp_path / "a.json", label) for label in "ab"]
    found = compare_reports(systems)
    assert found["comparisons"] == 0
    assert "0.300** [0.200, 0.400]" in write_markdown(found)


# What is found


@pytest.mark.parametrize(
    ("metric", "direction"),
    [
        ("ssim", "higher"),
        ("mask_ssim", "higher"),
        ("identity_osnet", "higher"),
        ("detection_score_hog", "higher"),
        ("part_error_left_forearm", "lower"),
        ("lpips", "lower"),
        ("lpips_efficientnet_lite0", "lower"),
        ("fid_efficientnet_lite0", "lower"),
        ("kid_efficientnet_lite0", "lower"),
        ("sharpness", None),
        ("ssimilar", None),
    ],
)
def test_metrics_have_directions_by_name(metric, direction):
    assert better(metric) == direction


def test_a_comparison_is_json(report, random_numbers):
    ours, theirs = random_numbers(shift=0.05)
    found = compare_reports([report("a", {"ssim": ours}), report("b", {"ssim": theirs})])
    assert json.loads(json.dumps(found, allow_nan=False)) == found
