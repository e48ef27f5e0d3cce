"""verify: compare every array of a golden folder with this code."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from deformgan.errors import shortened
from deformgan.verify.carry_over import check_carry_over
from deformgan.verify.checks import AllChecks, Row
from deformgan.verify.geometry_units import check_geometry_units
from deformgan.verify.golden import BUNDLED, MANIFEST, Golden
from deformgan.verify.manifest import PROSE, check_manifest
from deformgan.verify.networks import (
    check_discriminator,
    check_generator,
    check_inputs,
    check_vgg,
)
from deformgan.verify.nn_loss import check_nn_loss
from deformgan.verify.poses import check_poses
from deformgan.verify.scores import check_inception_score, check_ssim
from deformgan.verify.shapes import check_shapes
from deformgan.verify.tables import check_names, check_pairs, check_pairs_meta, check_size_change
from deformgan.verify.training import (
    check_discriminator_gradients,
    check_five_steps,
    check_generator_gradients,
    check_losses,
)
from deformgan.verify.warp import check_warp

_SIZE = r"\d+x\d+"
_VARIANT = r"(?:mask|none)"


@dataclass(frozen=True)
class Step:
    """The check of one kind of golden file.

    Attributes:
        pattern: Regular expression of the files' paths; at least one file must match.
        check: Compares one file, including its inputs in other files.
    """

    pattern: str
    check: Callable[[AllChecks, str], None]


# In the order of the method, so that the first failure is closest to its cause.
STEPS = (
    Step(r"tables/pairs_(?:all|test_n\d+)\.csv", check_pairs),
    Step(r"tables/pairs_meta\.json", check_pairs_meta),
    Step(r"tables/annotation_128x64_from_256\.csv", check_size_change),
    Step(r"tables/deepfashion_names\.json", check_names),
    Step(r"demo_carry_over\.npz", check_carry_over),
    Step(r"geometry_units\.npz", check_geometry_units),
    Step(rf"poses_{_SIZE}\.npz", check_poses),
    Step(r"warp\.npz", check_warp),
    Step(r"nn_loss\.npz", check_nn_loss),
    Step(r"ssim\.npz", check_ssim),
    Step(r"inception_score\.npz", check_inception_score),
    Step(r"net/full_size_shapes\.json", check_shapes),
    Step(rf"net/inputs_{_SIZE}\.npz", check_inputs),
    Step(rf"net/gen_{_VARIANT}_{_SIZE}_outputs\.npz", check_generator),
    Step(rf"net/disc_{_SIZE}_outputs\.npz", check_discriminator),
    Step(r"net/vgg_outputs\.npz", check_vgg),
    Step(rf"net/losses_{_VARIANT}_{_SIZE}\.npz", check_losses),
    Step(rf"net/grad_gen_{_VARIANT}_{_SIZE}\.npz", check_generator_gradients),
    Step(rf"net/grad_disc_{_SIZE}\.npz", check_discriminator_gradients),
    Step(rf"net/losses_none_{_SIZE}\.npz", check_five_steps),
)


Comparison = tuple[Step, str]


def verify(
    folder: Path | None = None,
    track: Callable[[list[Comparison]], Iterable[Comparison]] = iter,
) -> list[Row]:
    """Compare a golden folder with this code.

    Args:
        folder: Golden folder with the layout of `MANIFEST.json` and the golden README. Its cases,
            sizes, seeds and images may differ from those used in development. By default the
            bundled one, which has fewer cases and no weights of networks.
        track: Iterates over the comparisons, one per file, for example to show progress.

    Returns:
        One row per array; rows of the manifest are per file.
    """
    golden = Golden(BUNDLED if folder is None else folder)
    all_checks = AllChecks(golden)
    rows = check_manifest(golden)
    comparisons = []
    for step in STEPS:
        files = [file for file in golden.files if re.fullmatch(step.pattern, file)]
        comparisons += [(step, file) for file in files]
        if not files and folder is not None:
            rows.append(Row(step.pattern, "", 0, None, None, "fail", "no such file"))
    for step, file in track(comparisons):
        rows += check_step(all_checks, step, file)
    for file in golden.files:
        if file != MANIFEST and not file.endswith(PROSE):
            rows += _rows(all_checks, file)
    return rows


def check_step(all_checks: AllChecks, step: Step, file: str) -> list[Row]:
    """Run one comparison; return a failed row if the file cannot be compared at all.

    A golden file may contain anything, so any exception counts as a failure of the file.
    """
    try:
        step.check(all_checks, file)
    except Exception as error:
        note = f"could not be compared: {type(error).__name__}: {shortened(error)}"
        return [Row(file, "", 0, None, None, "fail", note)]
    return []


def _rows(all_checks: AllChecks, file: str) -> list[Row]:
    try:
        return all_checks.of_file(file).rows()
    except Exception as error:
        note = f"cannot be read: {type(error).__name__}: {shortened(error)}"
        return [Row(file, "", 0, None, None, "fail", note)]
