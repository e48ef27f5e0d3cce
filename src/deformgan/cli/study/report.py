"""The command `deformgan study report`."""

from pathlib import Path


def report(
    study: Path, /, *, out: Path, unfinished: bool = False, json: Path | None = None
) -> None:
    """Report the results of a human study, with confidence intervals and agreement.

    Writes report.md, report.json, answers.csv (every answer), participants.csv, shares.png and
    participants.png. Can be run while the study is in progress.

    Args:
        study: TOML file of the study, or its database.
        out: Output folder of the report (created if missing).
        unfinished: Include participants who have not finished.
        json: Where to write another copy of the report as JSON.
    """
    import csv
    import io
    from dataclasses import asdict, fields

    from deformgan.cli.outputs import output_dir, output_file
    from deformgan.files import write_image, write_json, write_text
    from deformgan.study.answers import Answer, read_answers
    from deformgan.study.config import read_study
    from deformgan.study.plots import draw_participants, draw_shares
    from deformgan.study.report import summarize, to_markdown

    if json is not None:
        output_file(json)
    database = read_study(study).database if study.suffix.lower() == ".toml" else study
    answers = read_answers(database)
    found = summarize(answers, unfinished)
    text = to_markdown(found)

    def table(columns: list[str], rows: list[dict]) -> str:
        lines = io.StringIO(newline="")
        writer = csv.DictWriter(lines, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return lines.getvalue()

    texts = {
        "report.md": text,
        "answers.csv": table(
            [field.name for field in fields(Answer)], [asdict(one) for one in answers.given]
        ),
        "participants.csv": table(list(found["participants"][0]), found["participants"]),
    }
    output_dir(out)
    for name, content in texts.items():
        write_text(out / name, content)
    for name, picture in (
        ("shares.png", draw_shares(found)),
        ("participants.png", draw_participants(found)),
    ):
        write_image(out / name, picture, format="PNG")
    write_json(out / "report.json", found)
    if json is not None:
        write_json(json, found)
    print(text)
    print(out / "report.md")
