"""Time of a picture after a joint has moved: the source photo is kept, the pose is new."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch

from deformgan.bench.inference import WEIGHTS
from deformgan.bench.timing import Run, Spread, alternate, use_threads
from deformgan.device import computes_bfloat16
from deformgan.errors import InputError
from deformgan.export.check import Arrays, Case, check_cases, open_graph
from deformgan.export.decode import compose
from deformgan.export.export import Precision as Exported
from deformgan.export.export import export
from deformgan.models.layers import resize_pose
from deformgan.painting import encode, paint_layers
from deformgan.pair import View
from deformgan.pixels import to_bytes, to_photos
from deformgan.pose import Pose
from deformgan.predict import PoseTransfer

Backend = Literal["whole", "kept", "onnxruntime", "openvino"]
Graph = Callable[[Arrays], Arrays]

SIZES = ((128, 64), (512, 256))


@dataclass(frozen=True)
class MovedCase:
    """What is timed.

    Attributes:
        backend: "whole": PyTorch, photo included, as for a single picture; "kept": PyTorch with the
            photo's features kept; "onnxruntime" and "openvino": the exported graph `pose` and the
            decoder in NumPy.
        precision: "float32" or "bfloat16" of PyTorch; of exports "fp32", "fp16" or "int8".
        size: Height and width of the picture.
        threads: Number of threads.

    All read a photo of twice the network's size, which needs no cropping.
    """

    backend: Backend
    precision: Literal["float32", "bfloat16", "fp32", "fp16", "int8"]
    size: tuple[int, int]
    threads: int = 1

    @property
    def exported(self) -> bool:
        """Whether an exported graph is timed."""
        return self.backend in ("onnxruntime", "openvino")


@dataclass(frozen=True)
class MovedTime:
    """Time of a case, from a pose to pixels.

    Attributes:
        case: What was timed.
        seconds: Per picture; None if it could not be run.
        network: Seconds of the graph alone; None where it is not a step of its own.
        difference: From PyTorch in float32 at the same size, in grey levels: mean and 99.9th
            percentile.
        problem: Why it could not be run.
    """

    case: MovedCase
    seconds: Spread | None = None
    network: Spread | None = None
    difference: tuple[float, float] | None = None
    problem: str | None = None


def moved_cases(device: str, quick: bool) -> list[MovedCase]:
    """Return what is timed: PyTorch, and on a CPU also exports.

    Args:
        device: Device.
        quick: PyTorch only.
    """
    cases = [MovedCase(how, "float32", size) for how in ("whole", "kept") for size in SIZES]
    if not quick and computes_bfloat16(torch.device(device)):
        cases += [MovedCase("kept", "bfloat16", size) for size in SIZES]
    if quick or torch.device(device).type != "cpu":
        return cases
    exports: list[Backend] = ["onnxruntime", "openvino"]
    cases += [
        MovedCase(backend, precision, size)
        for backend in exports
        for precision in get_args(Exported)
        for size in SIZES
    ]
    if (every := torch.get_num_threads()) > 1:
        cases += [MovedCase("kept", "float32", size, every) for size in SIZES]
        cases += [MovedCase(backend, "fp32", SIZES[0], every) for backend in exports]
    return cases


def moved_times(
    cases: Sequence[MovedCase], device: str, seconds: float, least: int = 3
) -> list[MovedTime]:
    """Time cases in turn, so that other load on the machine meets all of them.

    Args:
        cases: See `moved_cases`.
        device: Device to compute on.
        seconds: Time to spend, on all cases together.
        least: Number of repetitions to make even if they take longer.
    """
    runs: list[Run] = []
    rows: list[MovedTime] = []
    exact: dict[tuple[int, int], np.ndarray] = {}
    for case in cases:
        try:
            whole, network = _prepare(case, device)
        except (InputError, ImportError) as error:
            rows.append(MovedTime(case, problem=str(error).splitlines()[0]))
            continue
        picture = np.asarray(whole(), np.float32)  # also the warm-up
        away = np.abs(picture - exact.setdefault(case.size, picture))
        rows.append(MovedTime(case, difference=_summary(away)))
        runs += [whole] if network is None else [whole, network]
    times = iter(map(Spread.of, alternate(runs, device, seconds, least)) if runs else ())
    return [
        row
        if row.problem is not None
        else replace(row, seconds=next(times), network=next(times) if row.case.exported else None)
        for row in rows
    ]


def _summary(away: np.ndarray) -> tuple[float, float]:
    return float(away.mean()), float(np.quantile(away, 0.999))


def _prepare(case: MovedCase, device: str) -> tuple[Callable[[], np.ndarray], Run | None]:
    """Return a function from the next pose to a picture in grey levels, and its network alone."""
    return _exported(case) if case.exported else (_pytorch(case, device), None)


def _pytorch(case: MovedCase, device: str) -> Callable[[], np.ndarray]:
    generator, asked = _transfer(device, case.precision).generator, _check_case()
    fine, size = asked.photo.shape[1:], asked.source["image"].shape[2:]
    source, target = (
        Pose(
            torch.from_numpy(poses[f"{which}_joints"]).to(device),
            torch.from_numpy(poses[f"{which}_visible"]).to(device) > 0.5,
        )
        for which, poses in (("source", asked.source), ("target", asked.target))
    )
    source = resize_pose(source, (size[0], size[1]), (fine[0], fine[1]))
    target = resize_pose(target, (size[0], size[1]), case.size)
    photo = View(torch.from_numpy(asked.photo).to(device)[None], source)
    kept = encode(generator, photo, scene=False)

    def run() -> np.ndarray:
        with use_threads(case.threads):
            whole = case.backend == "whole"
            shown = encode(generator, photo, scene=False) if whole else kept
            layers = paint_layers(generator, [shown], target, case.size)
            return to_photos(to_bytes(layers.picture))[0]

    return run


def _exported(case: MovedCase) -> tuple[Callable[[], np.ndarray], Run]:
    suffix = "" if case.precision == "fp32" else f".{case.precision}"
    files = [_exports() / f"{name}{suffix}.onnx" for name in ("source", "pose")]
    for file in files:
        if not file.exists():
            raise InputError(f"{file.name} failed its check against PyTorch.")
    load = open_graph if case.backend == "onnxruntime" else open_in_openvino
    source, pose = (load(file.read_bytes(), case.threads) for file in files)
    asked = _check_case()
    inputs = asked.source | source(asked.source) | asked.target

    def run() -> np.ndarray:
        picture = compose(pose(inputs), asked.photo, case.size)
        return to_photos(to_bytes(torch.from_numpy(picture)[None]))[0]

    return run, lambda: pose(inputs)


def open_in_openvino(model: bytes, threads: int = 1) -> Graph:
    """Load a graph into OpenVINO on the CPU; see `open_graph`.

    Args:
        model: The serialized graph.
        threads: Number of threads.
    """
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(
        core.read_model(model, b""),
        "CPU",
        # In bfloat16, its default on some processors, positions lose pixels.
        {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1},
    )
    request = compiled.create_infer_request()
    inputs = [value.any_name for value in compiled.inputs]
    outputs = [value.any_name for value in compiled.outputs]

    def run(given: Arrays) -> Arrays:
        found = request.infer({name: given[name] for name in inputs})
        return {name: found[name] for name in outputs}

    return run


@cache
def _transfer(device: str, precision: str) -> PoseTransfer:
    return PoseTransfer.from_pretrained(WEIGHTS, device, precision=precision)


@cache
def _check_case() -> Case:
    transfer = _transfer("cpu", "float32")
    return check_cases(transfer.generator, transfer.size, people=1)[1]


@cache
def _folder() -> Any:
    return tempfile.TemporaryDirectory(prefix="deformgan-bench-")  # removed when the process ends


@cache
def _exports() -> Path:
    out = Path(_folder().name)
    export(WEIGHTS, out, people=1)
    return out
