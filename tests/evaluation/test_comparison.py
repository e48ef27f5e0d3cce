"""Comparisons of reports: statistics by scipy and slow loops, tables by hand."""

import json
import re
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats

from deformgan.errors import InputError
from deformgan.evaluation.bootstrap import paired_difference
from deformgan.evaluation.comparison import (
    Report,
    better,
    choose_pairs,
    compare_reports,
    draw_grid,
    find_picture,
    holm,
    sign_flip_test,
    write_latex,
    write_markdown,
)

PROTOCOL = {"name": "deformgan-1", "ssim": {"taps": 11}, "pairs": 4, "pairs_sha256": "0"}


@pytest.fixture
def report(tmp_path):
    """Gives a function that makes the report of a system from its numbers per pair."""

    def make(label, numbers, pairs=None, asked=None, protocol=PROTOCOL, metrics=None, **more):
        count = len(next(iter(numbers.values())))
        pairs = pairs or [(f"s{row}.png", f"t{row}.png") for row in range(count)]
        described = {
            name: {
                "value": float(np.nanmean([np.nan if v is None else v for v in values])),
                "ci95": [0.1, 0.2],
                "what": f"what {name} is",
            }
            for name, values in numbers.items()
        }
        file = tmp_path / f"{label}.json"
        data = {
            "protocol": protocol,
            "n": count,
            "metrics": {**described, **(metrics or {})},
            "unavailable": {},
            "pairs": {
                "from": [source for source, _ in pairs],
                "to": [target for _, target in pairs],
                "asked_joints": asked or [18] * count,
                "numbers": {name: list(values) for name, values in numbers.items()},
            },
            "system": {"generated": "somewhere"},
            **more,
        }
        file.write_text(json.dumps(data))
        return Report.read(file, label)

    return make


def random_numbers(count, seed=0, shift=0.0):
    """Numbers per pair of two systems that resemble each other."""
    random = np.random.default_rng(seed)
    first = random.uniform(size=count)
    return first.tolist(), (first + shift + random.normal(0, 0.1, count)).tolist()


def two(report, count=12, seed=0, shift=0.05):
    """Compares two systems by SSIM alone."""
    ours, theirs = random_numbers(count, seed, shift)
    return compare_reports([report("a", {"ssim": ours}), report("b", {"ssim": theirs})])


# Statistics


@pytest.mark.parametrize("count", [1, 5, 10])
def test_signs_of_few_pairs_are_all_tried_as_in_scipy(count):
    random = np.random.default_rng(count)
    first, second = random.normal(0.5, 1, (2, count, 3))
    p = sign_flip_test(torch.from_numpy(first - second))
    for column in range(3):
        if count == 1:
            assert p[column] == 1  # scipy wants two
            continue
        theirs = stats.permutation_test(
            (first[:, column], second[:, column]),
            lambda x, y, axis: np.mean(x - y, axis=axis),
            permutation_type="samples",
            n_resamples=np.inf,
            vectorized=True,
        )
        assert p[column].item() == pytest.approx(theirs.pvalue, abs=1e-12)


def test_random_signs_of_many_pairs_come_near_all_signs():
    differences = np.random.default_rng(3).normal(0.4, 1, 14)
    signs = np.array(list(product((1, -1), repeat=14)))
    share = np.mean(abs(signs @ differences) >= abs(differences.sum()) - 1e-12)
    ours = sign_flip_test(torch.from_numpy(differences)[:, None])
    assert 0.005 < share < 0.9
    assert ours.item() == pytest.approx(share, abs=0.015)


def test_p_is_the_share_of_signs_whose_sum_is_as_far_from_zero():
    differences = [0.5, -0.1, 0.3, 0.0, 0.2]
    sums = [
        abs(sum(sign * value for sign, value in zip(signs, differences, strict=True)))
        for signs in product((1, -1), repeat=5)
    ]
    share = sum(total >= abs(sum(differences)) - 1e-12 for total in sums) / len(sums)
    p = sign_flip_test(torch.tensor(differences, dtype=torch.float64)[:, None])
    assert p.item() == pytest.approx(share)
    assert share == 8 / 32  # 0.5+0.3+0.2, with 0.1 for or against, 0 and all of it either way


def test_p_is_never_zero_and_one_for_equal_systems():
    apart = torch.ones(40, 1, dtype=torch.float64)
    assert sign_flip_test(apart, flips=99).item() == pytest.approx(1 / 100)
    assert sign_flip_test(0 * apart).item() == 1


def test_p_hardly_ever_is_small_where_systems_are_alike():
    random = np.random.default_rng(0)
    p = sign_flip_test(torch.from_numpy(random.normal(0, 1, (40, 400))), flips=499)
    assert (p < 0.05).double().mean() == pytest.approx(0.05, abs=0.03)


@pytest.mark.parametrize("seed", range(4))
def test_holms_values_reject_what_his_procedure_rejects(seed):
    p = np.random.default_rng(seed).beta(0.3, 3, 9).tolist()
    corrected = holm(p)
    for level in np.linspace(0.001, 0.999, 97):
        rejected, left = set(), sorted(range(9), key=lambda place: p[place])
        while left and p[left[0]] <= level / len(left):
            rejected.add(left.pop(0))
        assert rejected == {place for place in range(9) if corrected[place] <= level}


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_interval_is_that_of_paired_difference_and_near_scipys(report):
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


def test_swapped_systems_differ_by_the_opposite_with_the_same_p(report):
    ours, theirs = random_numbers(20)
    a, b = report("a", {"ssim": ours}), report("b", {"ssim": theirs})
    forth = compare_reports([a, b])["systems"]["b"]["minus_first"]["ssim"]
    back = compare_reports([b, a])["systems"]["a"]["minus_first"]["ssim"]
    assert forth["value"] == pytest.approx(-back["value"])
    assert forth["p"] == back["p"]


def test_the_order_of_a_list_does_not_matter(report):
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
    assert "pair by pair" not in write_markdown(found)


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


def test_comparisons_of_all_systems_and_metrics_are_corrected_together(report):
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
    b = report(
        "b", {"ssim": [0.1, 0.3]}, protocol={**PROTOCOL, "name": "other", "ssim": {"taps": 13}}
    )
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
    a = report("a", {"ssim": [0.1, 0.2]}, protocol={**PROTOCOL, "poses_sha256": "a"})
    other = {**PROTOCOL, "pairs": 2, "pairs_sha256": "1", "poses_sha256": "b"}
    compare_reports([a, report("b", {"ssim": [0.1, 0.2]}, protocol=other)])
    other = {**PROTOCOL, "poses_sha256": "b"}
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
        ("[1, 2]", "no report"),
        ("{}", "no 'protocol'"),
        ('{"protocol": {}}', "no 'metrics'"),
        ('{"protocol": "p", "metrics": {}}', "protocol is not"),
        ('{"protocol": {}, "metrics": []}', "no report"),
        ('{"protocol": {}, "metrics": {"ssim": {}}}', "no 'value'"),
        ('{"protocol": {}, "metrics": {"ssim": {"value": "high"}}}', "no report"),
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


# Tables


@pytest.mark.parametrize(
    ("metric", "direction"),
    [
        ("ssim", "higher"),
        ("mask_ssim", "higher"),
        ("identity_osnet", "higher"),
        ("detection_score_hog", "higher"),
        ("part_error_left_forearm", "lower"),
        ("lpips", "lower"),
        ("sharpness", None),
        ("ssimilar", None),
    ],
)
def test_metrics_have_directions_by_name(metric, direction):
    assert better(metric) == direction


def test_the_best_is_bold_by_the_metrics_direction_and_ties_share_it(report):
    numbers = {"ssim": [0.5], "l1": [0.5], "sharpness": [0.5], "psnr": [12.0]}
    a = report("a", numbers)
    b = report("b", {"ssim": [0.4], "l1": [0.4], "sharpness": [0.4], "psnr": [12.0]})
    found = compare_reports([a, b])
    assert found["best"] == {"ssim": ["a"], "l1": ["b"], "psnr": ["a", "b"]}
    text = write_markdown(found)
    assert "| ssim ↑ | **0.500** [0.100, 0.200] | 0.400 [0.100, 0.200] |" in text
    assert "| l1 ↓ | 0.500 [0.100, 0.200] | **0.400** [0.100, 0.200] |" in text
    assert "| sharpness | 0.500 [0.100, 0.200] | 0.400 [0.100, 0.200] |" in text


def test_the_tables_say_what_was_corrected_and_what_is_significant(report):
    text = write_markdown(two(report, shift=0.3))
    assert re.search(r"\| ssim ↑ \| \+0\.\d+ \[\+0\.\d+, \+0\.\d+\], p .* \* better \|", text)
    assert "Holm's correction for the 1 comparisons" in text
    assert " * " not in write_markdown(two(report, shift=0.0)).split("\n- ")[0]


def test_latex_has_balanced_braces_equal_columns_and_no_bare_specials(report):
    ours, theirs = random_numbers(12, shift=-0.3)
    found = compare_reports(
        [report("50 % & more", {"mask_ssim": ours}), report("a_b#{}\\^~$", {"mask_ssim": theirs})]
    )
    text = write_latex(found)
    plain = re.sub(r"\\[&%$#_{}]", "", text)
    assert plain.count("{") == plain.count("}")
    assert plain.count("$") % 2 == 0
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 2
    for block, columns in re.findall(
        r"\\begin{tabular}{(l?r*)}\n(.*?)\\end{tabular}", text, flags=re.DOTALL
    ):
        rows = [line for line in columns.splitlines() if line.endswith(r"\\")]
        assert len(rows) == 2
        assert all(len(re.findall(r"(?<!\\)&", row)) == len(block) - 1 for row in rows)
    assert r"mask\_ssim $\uparrow$" in text
    assert r"\textbf{0." in text
    assert "$-$0." in text


def test_a_bar_in_a_label_is_no_column_of_markdown(report):
    found = compare_reports([report("a|b", {"ssim": [0.1]}), report("c", {"ssim": [0.2]})])
    assert "| a\\|b | c |" in write_markdown(found)


def test_a_comparison_is_json(report):
    found = two(report)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


# Pictures


def test_best_median_and_worst_are_found_by_the_metrics_direction(report):
    values = [0.5, 0.9, 0.1, 0.3, 0.7]
    systems = [report("a", {"ssim": values, "l1": values}), report("b", {"ssim": values})]
    for metric, order in (("ssim", [1, 0, 2]), ("l1", [2, 0, 1])):
        chosen = choose_pairs(systems, metric, each=1)
        assert {kind: keys[0][0] for kind, keys in chosen.items()} == dict(
            zip(("best", "median", "worst"), [f"s{row}.png" for row in order], strict=True)
        )


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8, 9, 30])
def test_no_pair_is_shown_twice(report, count):
    values = np.random.default_rng(count).uniform(size=count).tolist()
    chosen = choose_pairs([report("a", {"ssim": values})], "ssim")
    keys = [key for listed in chosen.values() for key in listed]
    assert len(set(keys)) == len(keys) == min(count, 3 * max(1, min(3, count // 3)))


def test_only_pairs_that_all_systems_have_are_shown(report):
    a = report("a", {"ssim": [0.9, 0.5, None]})
    b = report("b", {"ssim": [0.1]}, pairs=[("s1.png", "t1.png")])
    assert choose_pairs([a, b], "ssim") == {"best": [("s1.png", "t1.png", 0)]}
    with pytest.raises(InputError, match="no number per pair for 'fid'; choose one of ssim"):
        choose_pairs([a, b], "fid")


def test_the_grid_shows_photos_and_pictures_in_their_places(report, tmp_path):
    height, width = 120, 60
    folders = {}
    for folder, colours in (("photos", (10, 80)), ("a", (150,)), ("b", ())):
        folders[folder] = tmp_path / folder
        folders[folder].mkdir()
        names = ("s0.png", "t0.png") if folder == "photos" else ("s0__t0.jpg",)
        for name, colour in zip(names, colours, strict=False):
            Image.new("RGB", (width, height), (colour,) * 3).save(folders[folder] / name)
    systems = [report("a", {"ssim": [0.5]}), report("b", {"ssim": [0.25]})]
    chosen = choose_pairs(systems, "ssim")
    generated = {label: folders[label] for label in "ab"}
    sheet = np.array(draw_grid(systems, chosen, folders["photos"], generated, "ssim"))
    row = sheet[sheet.shape[0] // 2, :, 0].astype(int)
    for colour in (10, 80, 150):
        assert (np.abs(row - colour) < 3).sum() == pytest.approx(2 * width, abs=4)
    places = [np.abs(row - colour).argmin() for colour in (10, 80, 150)]
    assert places == sorted(places)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg"])
def test_a_picture_is_found_by_both_names(tmp_path, suffix):
    (tmp_path / f"0001_c1.s__0001_c2{suffix}").touch()
    found = find_picture(tmp_path, "0001_c1.s.jpg", "0001_c2.jpg")
    assert found == tmp_path / f"0001_c1.s__0001_c2{suffix}"
    assert find_picture(tmp_path, "0002.jpg", "0001_c2.jpg") is None
