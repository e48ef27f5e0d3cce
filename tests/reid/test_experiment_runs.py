"""The runs of an experiment: their order, and that each is made once."""

import json
import multiprocessing
import threading
import time

import pytest

from deformgan.errors import InputError
from deformgan.reid.experiment_runs import (
    RUNS,
    PlannedRun,
    claimed,
    execute_runs,
    in_turn,
    plan_runs,
    read_results,
)


def _result(one, folder):
    queries = {"person": "0005", "map": "0.5", "rank1": "1", "minp": "0.25"}
    metrics = {"map": 0.1 * one.alpha, "rank1": 0.2}
    return {"metrics": metrics, "photos": {"real": 8}, "queries": queries}


def _plan(**changes):
    design = {
        "baselines": ["light-bot"],
        "augmenters": ["ours", "jitter"],
        "alphas": [1, 2],
        "fractions": [40, 100],
        "erasing": "on",
        "seeds": [0, 1, 2],
    }
    return plan_runs(**(design | changes))


def test_reports_are_written_one_after_the_other(tmp_path):
    events = []
    entered = threading.Event()

    def first():
        with in_turn(tmp_path):
            entered.set()
            time.sleep(0.3)
            events.append("first left")

    writer = threading.Thread(target=first)
    writer.start()
    entered.wait()
    with in_turn(tmp_path):
        events.append("second entered")
    writer.join()
    assert events == ["first left", "second entered"]


def test_the_acceptance_design_is_eighteen_runs_one_seed_after_another():
    planned = _plan()
    assert len(planned) == len(set(planned)) == 18
    assert [one.seed for one in planned] == [0] * 6 + [1] * 6 + [2] * 6
    for block in (planned[:6], planned[6:12]):  # real photos come before what is compared with them
        assert [one.augmenter for one in block] == ["real", "ours", "jitter"] * 2


def test_alpha_one_is_there_though_nobody_asked():
    planned = _plan(alphas=[10], seeds=[0], fractions=[100])
    assert [(one.augmenter, one.alpha) for one in planned] == [
        ("real", 1),
        ("ours", 10),
        ("jitter", 10),
    ]


def test_both_makes_each_run_with_and_without_erasing():
    assert sorted({one.erasing for one in _plan(erasing="both")}) == [False, True]
    assert len({one.name for one in _plan(erasing="both")}) == 36


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"alphas": [0]}, "integers from 1, got 0"),
        ({"fractions": [101]}, "percentages from 1 to 100, got 101"),
        ({"seeds": [-1]}, "from 0, got -1"),
        ({"seeds": []}, "--seeds needs"),
        ({"augmenters": ["real"]}, "must not be 'real'"),
        ({"augmenters": ["a/b"]}, "'a/b'"),
        ({"augmenters": []}, "needs --augmenters"),
    ],
)
def test_what_cannot_be_is_refused(change, complaint):
    with pytest.raises(InputError, match=complaint):
        _plan(**change)


def test_a_run_that_is_done_is_not_made_again(tmp_path):
    planned, made = _plan(seeds=[0]), []

    def measure(one, folder):
        made.append(one)
        return _result(one, folder)

    def settings(one):
        return {"steps": 10}

    assert execute_runs(planned[:4], tmp_path, settings, measure, report=lambda _: None) == []
    assert execute_runs(planned, tmp_path, settings, measure, report=lambda _: None) == []
    assert made == planned
    found = read_results(planned, tmp_path)
    assert [found[one]["metrics"]["map"] for one in planned] == [0.1 * one.alpha for one in planned]


def test_a_run_of_other_settings_is_refused_before_anything_is_made(tmp_path):
    planned = _plan(seeds=[0])
    quiet = {"report": lambda _: None}
    execute_runs(planned[-1:], tmp_path, lambda _: {"baseline": {"steps": 10}}, _result, **quiet)
    with pytest.raises(InputError, match=r"baseline.steps was 10, is 20"):
        execute_runs(planned, tmp_path, lambda _: {"baseline": {"steps": 20}}, _result, **quiet)
    assert [path.name for path in (tmp_path / RUNS).iterdir()] == [planned[-1].name]


def test_a_run_that_broke_off_is_made_again(tmp_path):
    one = _plan()[0]

    def breaks(one, folder):
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        execute_runs([one], tmp_path, lambda _: {}, breaks)
    lines = []
    assert execute_runs([one], tmp_path, lambda _: {}, _result, report=lines.append) == []
    assert "0 to go" in lines[0]


def test_no_run_begins_that_would_not_be_done_in_time(tmp_path):
    planned = _plan()[:3]

    def slow(one, folder):
        time.sleep(0.2)
        return _result(one, folder)

    left = execute_runs(
        planned, tmp_path, lambda _: {}, slow, lambda _: None, deadline=time.monotonic() + 0.3
    )
    assert left == planned[1:]


def _hold(folder, taken, release):
    with claimed(folder) as mine:
        taken.put(mine)
        release.wait(60)


@pytest.mark.parametrize("dies", [False, True])
def test_what_a_living_process_has_is_left_to_it_and_taken_over_from_a_dead_one(tmp_path, dies):
    one = PlannedRun("light-bot", "real", 1, "none", 100, None, True, 0)
    folder = tmp_path / RUNS / one.name
    folder.mkdir(parents=True)
    context = multiprocessing.get_context("fork")
    taken, release = context.Queue(), context.Event()
    other = context.Process(target=_hold, args=(folder, taken, release), daemon=True)
    other.start()
    assert taken.get(timeout=60)
    lines = []
    assert execute_runs([one], tmp_path, lambda _: {}, _result, report=lines.append) == [one]
    assert "running in another process" in lines[0]
    assert json.loads((folder / "lock").read_text())["pid"] == other.pid
    if dies:
        other.kill()
    else:
        release.set()
    other.join(60)
    assert execute_runs([one], tmp_path, lambda _: {}, _result, report=lines.append) == []


def test_entries_share_the_run_on_real_photos_and_more_steps_follow_those_on_top():
    planned = _plan(
        augmenters=["ours", "more-steps"],
        fractions=[100],
        per_person=[2],
        seeds=[0],
        entries=["mixed", "late"],
    )
    assert [one.name for one in planned] == [
        f"light-bot-{made}-{kept}-erasing-s0"
        for kept in ("2pp", "100pc")
        for made in (
            "real-x1-none",
            "ours-x2-mixed",
            "ours-x2-late",
            "more-steps-x1-late",
        )
    ]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"entries": ["early"]}, "Unknown entry 'early'; choose one of mixed, on-top"),
        ({"per_person": [0]}, "--per-person must be integers from 1, got 0"),
        ({"augmenters": ["more-steps"]}, "more-steps has the cost of photos on top"),
        ({"entries": []}, "--entries needs at least one value"),
    ],
)
def test_entries_that_cannot_be_are_refused(changes, complaint):
    with pytest.raises(InputError, match=complaint):
        _plan(**changes)
