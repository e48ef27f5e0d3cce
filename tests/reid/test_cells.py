"""The runs of an experiment: their order, and that each is made once."""

import json
import multiprocessing
import time

import pytest

from deformgan.errors import InputError
from deformgan.reid.cells import RUNS, Cell, claimed, make_cells, read_results, run_cells


def _result(cell, folder):
    return {"metrics": {"map": 0.1 * cell.alpha, "rank1": 0.2}}


def _cells(**changes):
    design = {
        "baselines": ["light-bot"],
        "augmenters": ["ours", "jitter"],
        "alphas": [1, 2],
        "fractions": [40, 100],
        "erasing": "on",
        "seeds": [0, 1, 2],
    }
    return make_cells(**(design | changes))


def test_the_acceptance_design_is_eighteen_runs_one_seed_after_another():
    cells = _cells()
    assert len(cells) == len(set(cells)) == 18
    assert [cell.seed for cell in cells] == [0] * 6 + [1] * 6 + [2] * 6
    for block in (cells[:6], cells[6:12]):  # real photos come before what is compared with them
        assert [cell.augmenter for cell in block] == ["real", "ours", "jitter"] * 2


def test_alpha_one_is_there_though_nobody_asked():
    cells = _cells(alphas=[10], seeds=[0], fractions=[100])
    assert [(cell.augmenter, cell.alpha) for cell in cells] == [
        ("real", 1),
        ("ours", 10),
        ("jitter", 10),
    ]


def test_both_makes_each_run_with_and_without_erasing():
    assert sorted({cell.erasing for cell in _cells(erasing="both")}) == [False, True]
    assert len({cell.name for cell in _cells(erasing="both")}) == 36


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
        _cells(**change)


def test_a_run_that_is_done_is_not_made_again(tmp_path):
    cells, made = _cells(seeds=[0]), []

    def measure(cell, folder):
        made.append(cell)
        return _result(cell, folder)

    def settings(cell):
        return {"steps": 10}

    assert run_cells(cells[:4], tmp_path, settings, measure, report=lambda _: None) == []
    assert run_cells(cells, tmp_path, settings, measure, report=lambda _: None) == []
    assert made == cells
    found = read_results(cells, tmp_path)
    assert [found[cell]["metrics"]["map"] for cell in cells] == [0.1 * cell.alpha for cell in cells]


def test_a_run_of_other_settings_is_refused_before_anything_is_made(tmp_path):
    cells = _cells(seeds=[0])
    quiet = {"report": lambda _: None}
    run_cells(cells[-1:], tmp_path, lambda _: {"baseline": {"steps": 10}}, _result, **quiet)
    with pytest.raises(InputError, match=r"baseline.steps was 10, is 20"):
        run_cells(cells, tmp_path, lambda _: {"baseline": {"steps": 20}}, _result, **quiet)
    assert [path.name for path in (tmp_path / RUNS).iterdir()] == [cells[-1].name]


def test_a_run_that_broke_off_is_made_again(tmp_path):
    cell = _cells()[0]

    def breaks(cell, folder):
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        run_cells([cell], tmp_path, lambda _: {}, breaks)
    lines = []
    assert run_cells([cell], tmp_path, lambda _: {}, _result, report=lines.append) == []
    assert "0 to go" in lines[0]


def test_no_run_begins_that_would_not_be_done_in_time(tmp_path):
    cells = _cells()[:3]

    def slow(cell, folder):
        time.sleep(0.2)
        return _result(cell, folder)

    left = run_cells(
        cells, tmp_path, lambda _: {}, slow, lambda _: None, deadline=time.monotonic() + 0.3
    )
    assert left == cells[1:]


def _hold(folder, taken, release):
    with claimed(folder) as mine:
        taken.put(mine)
        release.wait(60)


@pytest.mark.parametrize("dies", [False, True])
def test_what_a_living_process_has_is_left_to_it_and_taken_over_from_a_dead_one(tmp_path, dies):
    cell = Cell("light-bot", "real", 1, 100, True, 0)
    folder = tmp_path / RUNS / cell.name
    folder.mkdir(parents=True)
    context = multiprocessing.get_context("fork")
    taken, release = context.Queue(), context.Event()
    other = context.Process(target=_hold, args=(folder, taken, release), daemon=True)
    other.start()
    assert taken.get(timeout=60)
    lines = []
    assert run_cells([cell], tmp_path, lambda _: {}, _result, report=lines.append) == [cell]
    assert "running in another process" in lines[0]
    assert json.loads((folder / "lock").read_text())["pid"] == other.pid
    if dies:
        other.kill()
    else:
        release.set()
    other.join(60)
    assert run_cells([cell], tmp_path, lambda _: {}, _result, report=lines.append) == []
