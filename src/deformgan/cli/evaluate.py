"""The command `deformgan evaluate`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from deformgan.cli.outputs import output_dir, output_file, write_json, written_beside
from deformgan.errors import InputError

if TYPE_CHECKING:
    from deformgan.evaluation.systems import Weights
    from deformgan.pose import Skeleton

_INCOMPLETE = 1
_SHOWN = 10  # problems on the screen; the report has all


def evaluate(
    *,
    images: Path,
    annotations: Path,
    pairs: Path,
    json: Path,
    weights: str | None = None,
    generated: Path | None = None,
    skeleton: str | None = None,
    protocol: str = "deformgan-1",
    save_generated: Path | None = None,
    real: Path | None = None,
    metrics: tuple[str, ...] = (),
    detector: str = "pose18",
    extractors: tuple[Path, ...] = (),
    person_detectors: tuple[Path, ...] = (),
    ssd300: Path | None = None,
    inception: Path | None = None,
    lpips: Path | None = None,
    markdown: Path | None = None,
    device: str = "cpu",
) -> int:
    """Score generated pictures of test pairs: ours, or any folder of them.

    A folder holds a picture per pair, named <from>__<to>.png (both names without extension) and of
    the target photo's size; docs/protocols.md tells which other forms are read. What cannot be
    measured here is listed with the reason. An evaluation that was broken off goes on where it was.
    Exits with 1 if some pairs have no picture that can be scored: each is named.

    Args:
        images: Folder of the photos.
        annotations: Poses of the photos, a table or JSON of any known format.
        pairs: Table of pairs (from,to).
        json: Where to write the report.
        weights: Bundled weights or a .safetensors file, which paint the pictures.
        generated: Folder of pictures, instead of weights.
        skeleton: Of the poses, a name or a JSON file; by default that of the weights, else
            openpose18.
        protocol: How pictures are compared: deformgan-1, pose-gan-2018, patn-2019, gfla-2020 or
            nted-2022.
        save_generated: Folder for the pictures that weights paint; created.
        real: Folder of photos for FID and KID; by default the pairs' targets, unless the protocol
            wants the training images.
        metrics: Which to measure; by default all.
        detector: Looks for the asked pose: pose18 (bundled), or NAME:PATH as in deformgan pose.
        extractors: Re-ID networks (.onnx), for identity scores beside the bundled one's.
        person_detectors: Person detectors (.onnx), for detection scores.
        ssd300: torchvision's SSD300 weights, for the detection score.
        inception: torch-fidelity's Inception weights, for IS, FID and KID.
        lpips: torchvision's AlexNet (or VGG-16) weights, for LPIPS.
        markdown: Where to write the tables: metrics, scores by how hard pairs are, worst pairs.
        device: Where networks run, such as cpu or cuda.
    """
    if (weights is None) == (generated is None):
        raise InputError("Give what is evaluated: either --weights or --generated, not both.")
    if save_generated is not None and weights is None:
        raise InputError("--save-generated needs --weights: a folder's pictures are there already.")
    for file in filter(None, (json, markdown)):
        output_file(file)
    if save_generated is not None:
        output_dir(save_generated)
    from deformgan.cli.inputs import check_device
    from deformgan.cli.progress import progress
    from deformgan.evaluation.evaluate import evaluate as run
    from deformgan.evaluation.evaluate import settings_of
    from deformgan.evaluation.failures import failures_table
    from deformgan.evaluation.gather_measures import Networks, gather_measures
    from deformgan.evaluation.generated_folder import GeneratedFolder
    from deformgan.evaluation.journal import Journal
    from deformgan.evaluation.pair_photos import PairPhotos, photos_in
    from deformgan.evaluation.protocol import find_protocol
    from deformgan.evaluation.report import build_report, metrics_table
    from deformgan.evaluation.systems import Weights

    chosen = find_protocol(protocol)
    check_device(device)
    painter = None if weights is None else Weights.load(weights, device, save_generated)
    photos = PairPhotos.open(images, annotations, pairs, _joints(skeleton, painter))
    system = painter
    if generated is not None:
        system = GeneratedFolder.open(generated, photos, chosen.lossless)
    assert system is not None
    networks = Networks(detector, extractors, person_detectors, ssd300, inception, lpips)
    measures = gather_measures(chosen, networks, device, metrics, real is not None, photos.skeleton)
    real_photos = None if real is None else photos_in(real)
    settings = settings_of(system, photos, chosen, measures, real_photos)
    journal = Journal(json.with_name(f"{json.name}.unfinished"), settings)
    findings = run(system, photos, chosen, measures, journal, real_photos, progress)
    if findings.kept:
        print(f"went on after {findings.kept} of {len(photos)} pairs")
    if not findings.rows:
        journal.remove()
        first = findings.problems[0] if findings.problems else ""
        raise InputError(f"No pair has a picture that can be scored. {first}".strip())
    report = build_report(findings, photos, measures, settings["protocol"], system.describe())
    write_json(json, report)
    journal.remove()
    table = metrics_table(report)
    print(table)
    if markdown is not None:
        with written_beside(markdown) as unfinished:
            unfinished.write_text(f"{table}\n\n{failures_table(report['failures'])}\n")
    _say_problems(findings.problems, json)
    print(f"{len(findings.rows)} of {len(photos)} pairs scored; wrote {json}")
    return 0 if len(findings.rows) == len(photos) else _INCOMPLETE


def _joints(asked: str | None, painter: "Weights | None") -> "Skeleton | None":
    from deformgan.cli.inputs import check_skeleton
    from deformgan.skeletons import find_skeleton

    if painter is not None:
        return check_skeleton(asked, painter.generator.skeleton)
    return None if asked is None else find_skeleton(asked)


def _say_problems(problems: list[str], report: Path) -> None:
    for problem in problems[:_SHOWN]:
        print(problem, file=sys.stderr)
    if len(problems) > _SHOWN:
        rest = len(problems) - _SHOWN
        print(f"... and {rest} more, see `problems` in {report}", file=sys.stderr)
