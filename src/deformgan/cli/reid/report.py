"""The command `deformgan reid report`."""

from pathlib import Path

from deformgan.cli.outputs import output_dir

MARKDOWN, REPORT = "report.md", "report.json"


def report(experiments: tuple[Path, ...], /, *, out: Path) -> None:
    """Answer from several experiments how to use generated photos for Re-ID.

    Writes one page with plots: does it help and how sure is that; how many photos, which labels,
    poses, schedule and weights; and the commands that repeat the best arm. Each plot compares arms
    that differ in nothing else; p values are corrected over all arms of the page.

    Args:
        experiments: Output folders of `deformgan reid experiment`.
        out: Output folder for report.md, report.json and plots (created if missing).
    """
    from deformgan.draw.plots import save_plot
    from deformgan.errors import InputError
    from deformgan.files import write_json, write_text
    from deformgan.reid.joint_report import (
        draw_factors,
        read_arms,
        summarize_arms,
        write_joint_report,
    )

    if not experiments:
        raise InputError("Name at least one output folder of `deformgan reid experiment`.")
    arms = read_arms(experiments)
    figures = draw_factors(arms)
    output_dir(out)
    for name, figure in figures.items():
        save_plot(figure, out / name)
    write_json(out / REPORT, summarize_arms(arms))
    write_text(out / MARKDOWN, write_joint_report(arms, list(figures)))
    print("\n".join(str(out / name) for name in (MARKDOWN, REPORT, *figures)))
