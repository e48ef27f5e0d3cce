"""The report over several experiments."""

import json

import pytest

from deformgan.cli.main import main
from deformgan.reid.experiment_runs import plan_runs
from deformgan.reid.experiment_summary import summarize
from deformgan.reid.joint_report import FACTORS, read_arms, vary
from deformgan.stats.significance import holm
from tests.reid.invented import SHARED, invent_results

MADE = {"pictures": 400, "policy": "random", "labels": "same", "weights": "pedestrian"}


def write(
    folder,
    augmenters,
    effects,
    entries=("on-top",),
    made=None,
    changes=None,
    controls=(),
    seeds=(0, 1, 2),
):
    """Write the report of an invented experiment."""
    planned = plan_runs(
        ["light-bot"], [*augmenters, *controls], [1, 2], [100], "on", seeds, entries
    )
    results = invent_results({(name, 100): value for name, value in effects.items()}, planned)
    described = {
        name: {"simple": name} if name == "jitter" else {"folder": name, **(made or MADE)}
        for name in augmenters
    }
    shared = SHARED | {"augmenters": described} | (changes or {})
    folder.mkdir()
    report = summarize(results, planned, shared)
    (folder / "experiment.json").write_text(json.dumps(report))
    return folder


@pytest.fixture
def experiments(tmp_path):
    """Two experiments: generated photos against controls, and other labels."""
    one = write(
        tmp_path / "one",
        ["ours", "jitter"],
        {"ours": 0.05, "jitter": 0.01},
        entries=("mixed", "on-top"),
        controls=("more-steps",),
    )
    two = write(tmp_path / "two", ["soft"], {"soft": 0.03}, made=MADE | {"labels": "soft"})
    return [one, two]


def test_each_plot_compares_what_differs_in_one_thing_only(experiments):
    arms = read_arms(experiments)
    assert len(arms) == 6
    (labels,) = vary(arms, "labels")
    assert {arm.factors["labels"] for arm in labels} == {"same labels", "soft labels"}
    assert {arm.comparison["first"]["entry"] for arm in labels} == {"on-top"}
    (entries,) = vary(arms, "entry")
    assert [arm.comparison["first"]["augmenter"] for arm in entries] == ["ours", "ours"]
    assert vary(arms, "policy") == vary(arms, "kept") == []
    for factor in FACTORS:
        for group in vary(arms, factor):
            others = [name for name in FACTORS if name not in (factor, "amount", "source")]
            if factor not in ("source", "entry"):
                assert all(len({arm.factors[name] for arm in group}) == 1 for name in others)
    on_top = next(g for g in vary(arms, "source") if len(g) > 2)
    sources = sorted(arm.factors["source"] for arm in on_top)
    assert sources == ["generated", "generated", "jitter", "more-steps"]


def test_p_values_are_corrected_over_all_experiments(experiments):
    arms = read_arms(experiments)
    for way in ("seeds", "people"):
        raw = [arm.found[way]["p"] for arm in arms]
        assert [arm.found[way]["p_holm"] for arm in arms] == pytest.approx(holm(raw))


def test_the_page_names_the_best_arm_its_rivals_and_the_commands(experiments, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["reid", "report", *map(str, experiments), "--out", str(out)]) == 0
    assert str(out / "report.md") in capsys.readouterr().out
    text = (out / "report.md").read_text()
    best = json.loads((out / "report.json").read_text())["arms"][0]
    assert best["metrics"]["map"]["difference"] == pytest.approx(0.05, abs=0.005)
    assert best["source"] == "generated"
    assert best["verdict"] in text
    assert "deformgan reid augment --data DATA --per-image 1 --weights pedestrian" in text
    assert "How sure: 3 seeds, 40 test people." in text
    for figure in ("all", "labels", "entry", "source"):
        assert f"({figure}.png)" in text
        assert (out / f"{figure}.png").is_file()
    assert text.count("| light-bot") == 0
    rows = [
        line for line in text.splitlines() if line.startswith("| ") and " real seen" not in line
    ]
    assert len(rows) == 6 + 1  # and the line under the head


def test_the_commands_of_the_page_can_be_parsed(experiments, tmp_path):
    from deformgan.reid.baselines import BASELINES
    from deformgan.training.settings import change_settings, read_flags

    main(["reid", "report", *map(str, experiments), "--out", str(tmp_path / "out")])
    text = (tmp_path / "out" / "report.md").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("deformgan reid train")]
    words = line.split()[4:]
    at = words.index("--data")
    del words[at : at + 2]
    at = words.index("--out")
    del words[at : at + 2]
    config = change_settings(BASELINES["light-bot"](), read_flags(words), "page")
    assert config.entry in ("mixed", "on-top")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "has no experiment.json"),
        ("{", "experiment.json is damaged"),
        ('{"experiment": {}}', "experiment.json is damaged"),
    ],
)
def test_what_is_no_experiment_is_refused_in_a_line(tmp_path, capsys, content, complaint):
    folder = tmp_path / "one"
    folder.mkdir()
    if content is not None:
        (folder / "experiment.json").write_text(content)
    assert main(["reid", "report", str(folder), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_scenes_are_a_question_of_their_own_and_in_the_command(experiments, tmp_path):
    scenes = MADE | {"background": "target"}
    three = write(tmp_path / "three", ["moved"], {"moved": 0.09}, made=scenes)
    (group,) = vary(read_arms([*experiments, three]), "background")
    assert {arm.factors["background"] for arm in group} == {"paint scenes", "target scenes"}
    out = tmp_path / "out"
    assert main(["reid", "report", *map(str, [*experiments, three]), "--out", str(out)]) == 0
    text = (out / "report.md").read_text()
    assert "--policy random --background target --labels same --out DATA_MORE" in text
    assert "## Which scenes?" in text


def test_a_screening_of_one_seed_is_not_the_answer(experiments, tmp_path):
    lucky = write(
        tmp_path / "lucky",
        ["lucky"],
        {"lucky": 0.2},
        made=MADE | {"policy": "coverage"},
        seeds=(0,),
    )
    out = tmp_path / "out"
    assert main(["reid", "report", *map(str, [*experiments, lucky]), "--out", str(out)]) == 0
    text = (out / "report.md").read_text()
    first = text.partition("## Does it help?")[2].partition("##")[0]
    assert "random poses" in first
    assert "coverage poses" not in first
    assert "How sure: 3 seeds" in first
    # Every answer names what its arms have in common.
    labels = text.partition("## Which labels?")[2].partition("##")[0]
    assert (
        "- generated, pedestrian, random poses, paint scenes, x2, 24 per step, on-top: " in labels
    )
