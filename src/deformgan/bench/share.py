"""Share of a training step that computes heat maps, masks and affine transforms."""

import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import ModuleType

import torch

from deformgan.bench.timing import Run, Spread, alternate
from deformgan.models import discriminator, generator
from deformgan.part_geometry import MovedParts

# Functions of the pose, by the module that calls them in a training step, and methods by class.
_POSE_FUNCTIONS: dict[ModuleType | type, tuple[str, ...]] = {
    generator: (
        "render_heatmaps",
        "part_masks",
        "part_transforms",
        "global_transform",
        "normalize",
    ),
    discriminator: ("render_heatmaps",),
    MovedParts: ("of", "masks", "distances", "field"),
}


@dataclass(frozen=True)
class Share:
    """Share of a step's time.

    Attributes:
        share: Time of the functions over the time of the step.
        functions: Seconds per step of each function.
    """

    share: float
    functions: dict[str, float]


def pose_share(step: Run, device: str, seconds: float, least: int = 3) -> Share:
    """Measure which share of a training step heat maps, part masks and affine transforms take.

    Steps with and without clocks around these functions alternate, since the clocks make a GPU
    wait.

    Args:
        step: Takes one training step.
        device: Device on which it computes.
        seconds: Time to spend on repetitions.
        least: Number of repetitions to make even if they take longer.
    """
    spent: dict[str, list[float]] = {}

    def clocked() -> None:
        with ExitStack() as stack:
            for owner, names in _POSE_FUNCTIONS.items():
                for name in names:
                    stack.enter_context(_clocked(owner, name, device, spent))
            step()

    plain, timed = alternate([step, clocked], device, seconds, least)
    whole = Spread.of(plain).median
    functions = {name: sum(times) / len(timed) for name, times in spent.items()}
    return Share(sum(functions.values()) / whole, functions)


@contextmanager
def _clocked(
    owner: ModuleType | type, name: str, device: str, spent: dict[str, list[float]]
) -> Generator[None]:
    """Measure every call of a function by a module, or of a method."""
    before, function = vars(owner)[name], getattr(owner, name)
    label = f"{owner.__name__}.{name}" if isinstance(owner, type) else name
    times = spent.setdefault(label, [])
    cuda = torch.device(device).type == "cuda"

    def measured(*args, **kwargs):
        if cuda:
            torch.cuda.synchronize(device)
        begun = time.perf_counter()
        result = function(*args, **kwargs)
        if cuda:
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - begun)
        return result

    setattr(owner, name, staticmethod(measured) if isinstance(before, staticmethod) else measured)
    try:
        yield
    finally:
        setattr(owner, name, before)
