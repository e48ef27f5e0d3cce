"""Statistics and Markdown report of a study."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import torch

from deformgan.errors import InputError
from deformgan.stats.agreement import krippendorff_alpha, same_answer_rate
from deformgan.stats.bootstrap import bootstrap_interval
from deformgan.stats.proportion import wilson_interval
from deformgan.stats.significance import sign_test
from deformgan.study.answers import Answer, Answers

# CVPR 2018, table 2, quoted from memory (R2G, G2R in %).
PAPER = {
    "Market-1501": {"Ma et al. 2017": (11.2, 5.5), "Deformable GANs": (22.67, 50.24)},
    "DeepFashion": {"Ma et al. 2017": (9.2, 14.9), "Deformable GANs": (12.42, 24.61)},
}
_QUESTIONS: dict[str, tuple[str, Callable[[Answer], bool], Callable[[Answer], bool]]] = {
    "r2g": (
        "real pictures judged generated",
        lambda a: a.kind == "real",
        lambda a: a.answer == "fake",
    ),
    "g2r": (
        "generated pictures judged real",
        lambda a: a.kind == "generated",
        lambda a: a.answer == "real",
    ),
}


def summarize(answers: Answers, unfinished: bool = False) -> dict[str, Any]:
    """Summarize a study, ignoring practice items.

    Args:
        answers: Answers of one study.
        unfinished: Whether to count participants who have not finished.

    Returns:
        JSON-serializable report: `study`, `participants` (one entry each), `shares` by name
        (`value`, `successes`, `answers`, `wilson95` for independent answers, `people95` for the
        choice of participants), `agreement`, and for "preference" the `sign_test` and `left`.

    Raises:
        InputError: If there are no answers to count.
    """
    counted = [n for n, done in answers.finished.items() if done or unfinished]
    given = [a for a in answers.given if a.participant in counted and not a.practice]
    if not given:
        left_out = len(answers.finished) - len(counted)
        raise InputError(
            "No answers to count: "
            + (
                f"{left_out} participants have not finished; --unfinished includes them."
                if left_out
                else "no participant has got past the practice items."
            )
        )
    mode = answers.facts.get("mode", "real-or-fake")
    preference = mode == "preference"
    questions = _preference(answers) if preference else _QUESTIONS
    shares = {
        name: _share(given, what, asked, said) for name, (what, asked, said) in questions.items()
    }
    report: dict[str, Any] = {
        "study": answers.facts,
        "counted": {
            "participants": len({a.participant for a in given}),
            "unfinished_left_out": len(answers.finished) - len(counted),
            "answers": len(given),
            "practice_left_out": sum(a.practice for a in answers.given),
            "pictures": len({(a.kind, a.picture) for a in given}),
        },
        "shares": {name: share for name, share in shares.items() if share is not None},
        "agreement": _agreement(given),
        "participants": [_participant(answers, number, questions) for number in answers.finished],
    }
    if preference:
        first = shares["preferred"]
        assert first is not None
        report["sign_test"] = sign_test(first["successes"], first["answers"])
        right = [a for a in given if a.answer != a.left]
        report["left"] = _share(given, "the left picture", lambda a: True, lambda a: a not in right)
    else:
        report["paper"] = PAPER
    return report


def _preference(answers: Answers) -> dict[str, tuple[str, Callable, Callable]]:
    a, b = (answers.facts.get(name, name) for name in ("a", "b"))
    return {"preferred": (f"{a} preferred to {b}", lambda _: True, lambda one: one.answer == "a")}


def _share(
    given: Sequence[Answer],
    what: str,
    asked: Callable[[Answer], bool],
    said: Callable[[Answer], bool],
) -> dict[str, Any] | None:
    of_these = [a for a in given if asked(a)]
    if not of_these:
        return None
    said_so = [said(a) for a in of_these]
    people = [a.participant for a in of_these]
    wilson = wilson_interval(sum(said_so), len(said_so))
    by_people = None
    if len(set(people)) > 1:
        low, high = bootstrap_interval(torch.tensor(said_so).double(), clusters=people)
        by_people = [low, high]
    return {
        "what": what,
        "value": sum(said_so) / len(said_so),
        "successes": sum(said_so),
        "answers": len(said_so),
        "wilson95": list(wilson),
        "people95": by_people,
    }


def _agreement(given: Sequence[Answer]) -> dict[str, Any]:
    by_picture: dict[tuple[str, str], list[str]] = {}
    for answer in given:
        by_picture.setdefault((answer.kind, answer.picture), []).append(answer.answer)
    several = [said for said in by_picture.values() if len(said) > 1]
    return {
        "krippendorff_alpha": krippendorff_alpha(several),
        "same_answer": same_answer_rate(several),
        "pictures_judged_by_several": len(several),
    }


def _participant(answers: Answers, number: int, questions: dict) -> dict[str, Any]:
    own = [a for a in answers.given if a.participant == number and not a.practice]
    entry: dict[str, Any] = {
        "participant": number,
        "finished": answers.finished[number],
        "answers": len(own),
        "items": answers.items[number],
        "median_milliseconds": median(a.milliseconds for a in own) if own else None,
    }
    for name, (_, asked, said) in questions.items():
        of_these = [said(a) for a in own if asked(a)]
        entry[name] = sum(of_these) / len(of_these) if of_these else None
        entry[f"{name}_wilson95"] = (
            list(wilson_interval(sum(of_these), len(of_these))) if of_these else None
        )
    return entry


def to_markdown(report: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    study, counted = report["study"], report["counted"]
    lines = [
        f"# {study.get('title', 'Study')}",
        "",
        f"{counted['answers']:,} answers by {counted['participants']} participants to "
        f"{counted['pictures']} pictures. Not counted: {counted['practice_left_out']} practice "
        f"answers, {counted['unfinished_left_out']} participants who have not finished.",
        "",
        "| | share | 95 % (Wilson) | 95 % over participants | answers |",
        "| --- | --- | --- | --- | --- |",
    ]
    shares = dict(report["shares"])
    if report.get("left"):
        shares["left chosen"] = report["left"]
    for name, share in shares.items():
        lines.append(
            f"| {_NAMES.get(name, name)}: {share['what']} | {_percent(share['value'])} | "
            f"{_interval(share['wilson95'])} | {_interval(share['people95'])} | "
            f"{share['successes']} of {share['answers']} |"
        )
    lines += ["", _agreement_text(report["agreement"])]
    if "sign_test" in report:
        lines += ["", f"Exact sign test against equal preference: p = {report['sign_test']:.3g}."]
    lines += ["", "## Participants", "", *_participants_table(report)]
    if "paper" in report:
        lines += [
            "",
            "## The paper's study",
            "",
            "From CVPR 2018, table 2, quoted from memory; different people, pictures and screens.",
            "",
            "| data | system | R2G | G2R |",
            "| --- | --- | --- | --- |",
        ]
        lines += [
            f"| {data} | {system} | {r2g} % | {g2r} % |"
            for data, systems in report["paper"].items()
            for system, (r2g, g2r) in systems.items()
        ]
    return "\n".join(lines) + "\n"


_NAMES = {"r2g": "R2G", "g2r": "G2R"}


def _participants_table(report: dict[str, Any]) -> list[str]:
    names = [name for name in ("r2g", "g2r", "preferred") if name in report["participants"][0]]
    head = " | ".join(_NAMES.get(name, name) + " (95 %)" for name in names)
    lines = [
        f"| participant | finished | answers | {head} | median time |",
        f"| --- | --- | --- |{' --- |' * len(names)} --- |",
    ]
    for one in report["participants"]:
        shares = " | ".join(
            "-"
            if one[name] is None
            else f"{_percent(one[name])} {_interval(one[f'{name}_wilson95'])}"
            for name in names
        )
        time = one["median_milliseconds"]
        lines.append(
            f"| {one['participant']} | {'yes' if one['finished'] else 'no'} | {one['answers']} | "
            f"{shares} | {'-' if time is None else f'{time / 1000:.1f} s'} |"
        )
    return lines


def _agreement_text(agreement: dict[str, Any]) -> str:
    if agreement["same_answer"] is None:
        return "Agreement: no picture was judged by more than one participant."
    alpha = agreement["krippendorff_alpha"]
    told = "not defined" if alpha is None else f"{alpha:.3f}"
    return (
        f"Agreement: two participants give the same answer to a picture in "
        f"{_percent(agreement['same_answer'])} of cases; Krippendorff's alpha {told} (1 is "
        f"perfect, 0 chance agreement), {agreement['pictures_judged_by_several']} pictures judged "
        "by several."
    )


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _interval(ends: Sequence[float] | None) -> str:
    return "-" if ends is None else f"[{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]"
