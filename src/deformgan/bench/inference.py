"""Time of a picture: the network alone, and from photo and pose to pixels."""

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Literal

import torch
from jaxtyping import UInt8
from torch import Tensor

from deformgan.bench.people import bundled_pairs, random_views
from deformgan.bench.timing import Run, Spread, time_run, use_threads
from deformgan.inputs import PosedPhoto, detect
from deformgan.models.generator import Generator as Network
from deformgan.models.generator import GeneratorConfig
from deformgan.predict import PoseTransfer

What = Literal["paper", "generator", "pipeline", "detection"]

WEIGHTS = "pedestrian"


@dataclass(frozen=True)
class Case:
    """What is timed.

    Attributes:
        what: "generator": the network of `pedestrian`, tensors in, tensor out; "paper": the same of
            the paper; "pipeline": photo and poses in, pixels out; "detection": photo in, pose out.
        size: Height and width of the picture.
        batch: Pictures at once.
        precision: "float32", or "bfloat16" by autocast.
        threads: Number of threads; None for as many as the process uses.
        compiled: Whether by `torch.compile`.
    """

    what: What
    size: tuple[int, int] = (128, 64)
    batch: int = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    threads: int | None = None
    compiled: bool = False


@dataclass(frozen=True)
class InferenceTime:
    """Time of a case.

    Attributes:
        case: What was timed.
        seconds: Per picture; None if it could not be run.
        problem: Why it could not be run.
    """

    case: Case
    seconds: Spread | None
    problem: str | None = None


def inference_cases(device: str, quick: bool) -> list[Case]:
    """Return what is timed: by size, batch, precision and threads.

    Args:
        device: Device; threads matter on a CPU only.
        quick: Only one picture of each kind, on one thread.
    """
    cpu = torch.device(device).type == "cpu"
    threads = [1] if cpu else [None]
    if quick:
        quick_ones: tuple[What, ...] = ("generator", "pipeline", "detection")
        return [Case(what, threads=threads[0]) for what in quick_ones]
    if cpu and torch.get_num_threads() > 1:
        threads.append(torch.get_num_threads())
    sizes, batches = [(128, 64), (256, 128), (512, 256)], [1, 8] if cpu else [1, 8, 64, 256]
    precisions = ("float32", "bfloat16")
    cases = [
        Case("generator", size, batch, precision, number)
        for size, batch, precision, number in product(sizes, batches, precisions, threads)
        if batch == 1 or size == sizes[0]
    ]
    cases += [
        Case("pipeline", size, 1, precision, number)
        for size, precision, number in product(sizes, precisions, threads)
    ]
    cases += [Case("detection", threads=number) for number in threads]
    cases += [Case("paper", size, threads=threads[-1]) for size in ((128, 64), (256, 256))]
    return [*cases, Case("generator", threads=threads[-1], compiled=True)]


def inference_times(
    cases: Iterable[Case], device: str, seconds: float, least: int = 3
) -> list[InferenceTime]:
    """Time cases one after the other.

    Args:
        cases: See `inference_cases`.
        device: Device to compute on.
        seconds: Time to spend on each.
        least: Number of repetitions to make even if they take longer.
    """
    transfer = PoseTransfer.from_pretrained(WEIGHTS, device)
    return [_time(case, transfer, device, seconds, least) for case in cases]


def _time(
    case: Case, transfer: PoseTransfer, device: str, seconds: float, least: int
) -> InferenceTime:
    with _conditions(case, device):
        run = _RUNS[case.what](case, transfer, device)
        try:
            taken = time_run(run, device, seconds, least)
        except Exception as error:
            if not case.compiled:
                raise
            # Without a compiler; whatever it raises.
            return InferenceTime(case, None, str(error).strip().splitlines()[0])
    return InferenceTime(case, taken.times(1 / case.batch))


@contextmanager
def _conditions(case: Case, device: str) -> Generator[None]:
    """Set threads, precision and inference mode."""
    kind, rough = torch.device(device).type, case.precision == "bfloat16"
    autocast = torch.autocast(kind, torch.bfloat16, enabled=rough)
    with use_threads(case.threads), torch.inference_mode(), autocast:
        yield


def _generator(case: Case, transfer: PoseTransfer, device: str) -> Run:
    view, target = random_views(case.batch, case.size, device)
    network: Callable[..., Tensor] = transfer.generator
    if case.compiled:
        network = torch.compile(transfer.generator)
    return lambda: network(view, target)


def _paper(case: Case, transfer: PoseTransfer, device: str) -> Run:
    network = Network(GeneratorConfig()).to(device).eval()
    view, target = random_views(case.batch, case.size, device)
    return lambda: network(view, target)


def _pipeline(case: Case, transfer: PoseTransfer, device: str) -> Run:
    source, target = bundled_pairs(1, case.size)
    person = PosedPhoto(source, case.size, _noise(case.size).numpy())
    asked = PosedPhoto(target, case.size)
    return lambda: list(transfer.generate([person], asked, size=case.size))


def _detection(case: Case, transfer: PoseTransfer, device: str) -> Run:
    from deformgan.datasets.bundled_people import bundled_people

    photo = bundled_people()[0][0].photo
    return lambda: detect(photo)


def _noise(size: tuple[int, int]) -> UInt8[Tensor, "height width 3"]:
    return torch.randint(0, 256, (*size, 3), dtype=torch.uint8)


_RUNS = {
    "generator": _generator,
    "paper": _paper,
    "pipeline": _pipeline,
    "detection": _detection,
}
