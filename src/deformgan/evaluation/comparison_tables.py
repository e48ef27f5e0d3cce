"""write_markdown, write_latex: tables of a comparison of systems, with notes."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

# Private-use characters, which no label contains: cells are escaped after bold markup is added.
_BOLD_ON, _BOLD_OFF = "\ue000", "\ue001"
_MINUS = "\N{MINUS SIGN}"
_LATEX = {
    **{char: f"\\{char}" for char in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    _MINUS: "$-$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "*": r"$^{*}$",
    "†": r"$^\dagger$",
    "‡": r"$^\ddagger$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    _BOLD_ON: r"\textbf{",
    _BOLD_OFF: "}",
}


def write_markdown(comparison: Mapping[str, Any]) -> str:
    """Format a comparison as Markdown: means, differences from the first system, and notes."""

    def table(rows: Sequence[Sequence[str]]) -> list[str]:
        head, *body = [[cell.replace("|", "\\|") for cell in row] for row in rows]
        lines = [head, ["---"] * len(head), *body]
        return ["", *(f"| {' | '.join(row)} |" for row in lines), ""]

    lines = [f"# {_title(comparison)}", *table(_means(comparison, "**{}**"))]
    if differences := _minus_first(comparison):
        lines += [f"## Paired difference from {comparison['first']}", *table(differences)]
    return "\n".join([*lines, *(f"- {note}" for note in comparison["notes"])]) + "\n"


def write_latex(comparison: Mapping[str, Any]) -> str:
    """Format a comparison as LaTeX for the booktabs package."""

    def table(rows: Sequence[Sequence[str]]) -> list[str]:
        minus = [
            [re.sub(r"(^|[\[ ])-(?=\d)", rf"\1{_MINUS}", cell) for cell in row] for row in rows
        ]
        head, *body = [" & ".join(map(_escape, row)) + r" \\" for row in minus]
        columns = "l" + "r" * (len(rows[0]) - 1)
        begin = rf"\begin{{tabular}}{{{columns}}}"
        return [begin, r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}"]

    lines = ["% needs \\usepackage{booktabs}", r"\begin{table}", r"\centering"]
    lines += table(_means(comparison, _BOLD_ON + "{}" + _BOLD_OFF))
    if differences := _minus_first(comparison):
        lines += [r"\par\medskip", *table(differences)]
    caption = " ".join([f"{_title(comparison)}.", *comparison["notes"]])
    return "\n".join([*lines, rf"\caption{{{_escape(caption)}}}", r"\end{table}"]) + "\n"


def _title(comparison: Mapping[str, Any]) -> str:
    systems = f"{len(comparison['systems'])} systems, "
    if comparison["protocol_differences"]:
        return systems + "ACROSS PROTOCOLS: do not compare the means"
    name = comparison["protocol"].get("name", "without a name")
    pairs = f"{comparison['pairs']} pairs" if comparison["same_pairs"] else "lists of pairs differ"
    return f"{systems}protocol {name}, {pairs}"


def _means(comparison: Mapping[str, Any], bold: str) -> list[list[str]]:
    """Lay out the means, with one row per metric and one column per system."""
    systems, otherwise = comparison["systems"], comparison["protocol_differences"]
    rows = [["", *(f"{label} †" if label in otherwise else label for label in systems)]]
    for metric in comparison["better"]:
        found = {label: system["metrics"].get(metric) for label, system in systems.items()}
        digits = _digits([number["value"] for number in found.values() if number])
        row = [_named(comparison, metric)]
        for label, number in found.items():
            if number is None or number["value"] is None:
                row.append("-")
                continue
            cell = f"{number['value']:.{digits}f}"
            if label in comparison["best"].get(metric, ()):
                cell = bold.format(cell)
            if number["ci95"]:
                cell += " [{:.{d}f}, {:.{d}f}]".format(*number["ci95"], d=digits)
            if systems[label]["not_compared"].get(metric) == "another judge":
                cell += " ‡"
            row.append(cell)
        rows.append(row)
    return rows


def _minus_first(comparison: Mapping[str, Any]) -> list[list[str]]:
    """Lay out the differences; return no rows if nothing was compared."""
    others = {k: v for k, v in comparison["systems"].items() if k != comparison["first"]}
    metrics = [
        name
        for name in comparison["better"]
        if any(name in s["minus_first"] for s in others.values())
    ]
    if not metrics:
        return []
    rows = [["", *others]]
    for metric in metrics:
        found = [system["minus_first"].get(metric) for system in others.values()]
        digits = _digits([end for number in found if number for end in number["ci95"]])
        rows.append(
            [_named(comparison, metric), *(_difference(number, digits) for number in found)]
        )
    return rows


def _difference(number: Mapping[str, Any] | None, digits: int) -> str:
    if number is None:
        return "-"
    low, high = number["ci95"]
    p = "p < 0.001" if number["p_holm"] < 0.001 else f"p = {number['p_holm']:.3f}"
    mark = " *" if number["significant"] else ""
    verdict = f" {number['verdict']}" if number["verdict"] else ""
    return (
        f"{number['value']:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}], {p}{mark}{verdict}"
    )


def _named(comparison: Mapping[str, Any], metric: str) -> str:
    arrow = {"higher": " ↑", "lower": " ↓", None: ""}[comparison["better"][metric]]
    return metric + arrow


def _digits(values: Sequence[float | None]) -> int:
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    return 4 if largest < 0.1 else 3 if largest < 10 else 2


def _escape(text: str) -> str:
    return "".join(_LATEX.get(char, char) for char in text)
