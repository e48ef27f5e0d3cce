"""What the runs of an experiment say together."""

import json
from itertools import product

import numpy as np
import pytest
import torch
from scipy import stats

from deformgan.reid.experiment_figures import draw_figures
from deformgan.reid.experiment_report import write_report
from deformgan.reid.experiment_runs import plan_runs
from deformgan.reid.experiment_summary import summarize
from deformgan.stats.paired import paired_difference
from deformgan.stats.significance import holm
from tests.reid.invented import PEOPLE, PLANNED, SHARED, invent_results


def test_numbers_are_those_of_other_implementations():
    results = invent_results({("ours", 40): 0.05})
    report = summarize(results, PLANNED, SHARED)
    compared = report["comparisons"][0]
    assert (compared["first"]["augmenter"], compared["first"]["fraction"]) == ("ours", 40)
    by_key = {(c.augmenter, c.fraction, c.seed): results[c] for c in PLANNED}
    columns = {
        (name, seed): np.array(by_key[name, 40, seed]["queries"]["map"].split(), dtype=float)
        for name, seed in product(("ours", "real"), range(3))
    }
    means = [[columns[name, seed].mean() for seed in range(3)] for name in ("ours", "real")]
    expected = stats.ttest_rel(*means)
    found = compared["metrics"]["map"]
    assert found["difference"] == pytest.approx(np.mean(means[0]) - np.mean(means[1]))
    assert found["seeds"]["p"] == pytest.approx(expected.pvalue)
    assert found["seeds"]["ci95"] == pytest.approx(list(expected.confidence_interval(0.95)))
    first, second = (
        torch.from_numpy(np.mean([columns[name, seed] for seed in range(3)], axis=0))
        for name in ("ours", "real")
    )
    _, low, high = paired_difference(first, second, clusters=PEOPLE)
    assert found["people"]["ci95"] == pytest.approx([low, high], abs=1e-6)
    for way in ("seeds", "people"):
        parts = [one["metrics"]["map"][way] for one in report["comparisons"]]
        assert [part["p_holm"] for part in parts] == holm([part["p"] for part in parts])
    condition = next(c for c in report["conditions"] if c["augmenter"] == "ours")
    assert condition["metrics"]["map"]["mean"] == pytest.approx(np.mean(means[0]))
    assert condition["metrics"]["map"]["sd"] == pytest.approx(np.std(means[0], ddof=1))
    assert condition["real_alpha"] == pytest.approx(310 / 160)


def test_a_large_effect_is_called_one_and_none_is_called_none():
    effects = {("ours", 40): 0.05, ("ours", 100): 0.05, ("jitter", 40): -0.05}
    report = summarize(invent_results(effects, spread=0.0005), PLANNED, SHARED)
    sentences = {
        (one["first"]["augmenter"], one["first"]["fraction"]): one["verdict"]
        for one in report["comparisons"]
    }
    assert "augmentation with ours x2 (mixed) raised mAP by 5.0" in sentences["ours", 40]
    assert "augmentation with jitter x2 (mixed) lowered mAP by " in sentences["jitter", 40]
    assert "jitter x2 (mixed) did not measurably change mAP" in sentences["jitter", 100]
    both = "light-bot, mean of 2 settings: augmentation with ours x2 (mixed) raised mAP by 5."
    assert report["verdicts"][0].startswith(both)
    assert report["verdicts"][2:] == [one["verdict"] for one in report["comparisons"]]


def test_the_mean_of_settings_is_that_of_their_differences():
    report = summarize(
        invent_results({("ours", 40): 0.05, ("jitter", 100): -0.02}), PLANNED, SHARED
    )
    for pooled in report["pooled"]:
        parts = [
            one["metrics"]["map"]
            for one in report["comparisons"]
            if one["first"]["augmenter"] == pooled["first"]["augmenter"]
        ]
        by_seed = np.mean([part["by_seed"] for part in parts], axis=0)
        found = pooled["metrics"]["map"]
        assert found["by_seed"] == pytest.approx(by_seed)
        assert found["seeds"]["p"] == pytest.approx(stats.ttest_1samp(by_seed, 0).pvalue)


def test_a_null_result_is_reported_as_one():
    report = summarize(invent_results({}, spread=0.004), PLANNED, SHARED)
    assert len(report["verdicts"]) == 6
    for sentence in report["verdicts"]:
        assert (
            "did not measurably change mAP" in sentence or "had no significant effect" in sentence
        )


def test_an_effect_on_these_people_that_varies_with_the_seed_is_not_called_sure():
    results = invent_results({("ours", 40): 0.05}, by_seed=(-0.06, 0.0, 0.06))
    verdict = summarize(results, PLANNED, SHARED)["comparisons"][0]["verdict"]
    assert "had no significant effect on mAP: the difference of these runs holds" in verdict
    assert "which 3 seeds cannot rule out" in verdict


def test_a_report_of_half_of_the_runs_compares_the_seeds_that_both_sides_have():
    done = [one for one in PLANNED if one.seed == 0] + [PLANNED[6]]
    report = summarize(invent_results({}, done), PLANNED, SHARED)
    assert not report["complete"]
    assert all(one["seeds"] == [0] for one in report["comparisons"])
    assert all(one["metrics"]["map"]["seeds"]["p"] == 1.0 for one in report["comparisons"])
    text = write_report(report, [])
    assert "**Unfinished: 7 of 18 runs.**" in text
    assert "no interval" in text
    assert draw_figures(report)
    nothing = summarize({}, PLANNED, SHARED)
    assert "Nothing to compare yet" in write_report(nothing, [])
    assert draw_figures(nothing) == {}


def test_ours_is_compared_with_every_simple_augmenter_too():
    report = summarize(invent_results({("ours", 40): 0.05}, spread=0.0005), PLANNED, SHARED)
    assert [
        (one["first"]["augmenter"], one["second"]["augmenter"]) for one in report["between"]
    ] == [("ours", "jitter")] * 2
    assert (
        "ours x2 (mixed) raised mAP compared with jitter x2 (mixed) by 5."
        in report["between"][0]["verdict"]
    )


def test_the_report_is_whole_markdown_and_json():
    report = summarize(invent_results({("ours", 40): 0.05}), PLANNED, SHARED)
    figures = draw_figures(report)
    assert list(figures) == ["map-x2-light-bot-erasing.png", "difference-light-bot-erasing.png"]
    text = write_report(report, list(figures))
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 3
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1
    for words in ("3 seeds are few", "*training* folder", "was trained on all photos", "(map-x2"):
        assert words in text
    json.dumps(report, allow_nan=False)


def test_one_seed_gives_no_spread_and_says_so():
    planned = [one for one in PLANNED if one.seed == 0]
    report = summarize(invent_results({}, planned), planned, SHARED)
    assert report["complete"]
    assert all(one["metrics"]["map"]["sd"] is None for one in report["conditions"])
    assert "1 seed is few" in write_report(report, [])


def test_more_steps_are_a_control_that_photos_on_top_are_compared_with():
    planned = plan_runs(
        ["light-bot"],
        ["ours", "more-steps"],
        [1, 2],
        [100],
        "on",
        [0, 1, 2],
        ["mixed", "on-top"],
        [2],
    )
    results = invent_results({("ours", 100): 0.05}, planned)
    report = summarize(results, planned, SHARED)
    against = {
        (one["first"]["entry"], one["second"]["augmenter"], one["first"]["per_person"])
        for one in report["between"]
    }
    assert against == {("on-top", "more-steps", None), ("on-top", "more-steps", 2)}
    text = write_report(report, list(draw_figures(report)))
    assert "- more steps: real photos alone, at the cost of the entry that is named." in text
    assert "| 2 per person | more steps (as on-top) |" in text
    assert "24 generated photos beside each batch of 64 real ones" in text
