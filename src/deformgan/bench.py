"""Speed and memory of the method's two costly operations, relative to naive implementations.

A ratio compares two functions, forward and backward, that alternate within one run. Unlike absolute
times, it is meaningful on a slow, busy or throttled machine. The data loader alternates with the
training step that consumes its batches.
"""

import gc
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from deformgan.affine import normalize, part_transforms
from deformgan.backbones.vgg19 import Vgg19Features
from deformgan.datasets import PhotoSet, open_dataset
from deformgan.datasets.batches import PairBatches
from deformgan.datasets.bundled_people import bundled_photo_set
from deformgan.deformable_skip import warp_parts
from deformgan.files import bundled
from deformgan.losses.nearest_neighbour import nearest_neighbour_loss
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.pair import View
from deformgan.parts import part_masks
from deformgan.pose import Pose
from deformgan.pose_formats import read_annotations
from deformgan.provenance import provenance
from deformgan.recipes.pedestrian import pedestrian_base
from deformgan.skeletons.openpose18 import OPENPOSE18
from deformgan.training.gan import Gan
from deformgan.training.launch import open_fabric
from deformgan.training.step import train_step

PEOPLE = bundled("people/annotation.csv")
PEOPLE_SIZE = (128, 64)
CHANNELS = 64  # as in VGG-19's conv1_2 and the generator's first level
QUICK_SECONDS, FULL_SECONDS = 1.8, 20.0  # time to repeat one comparison
_VIEWS = 4  # consecutive photos of each bundled person

LOADER_REPEATS = 7  # copies of each bundled photo: 2,000 photos, about 50 MB, exceed CPU caches
LOADER_BATCHES = 16  # consecutive batches per timing of a loader
CUDA_BATCH, CUDA_STEPS = 64, 8  # enough to keep a GPU busy

# Image size, window and batch of the paper's two data sets.
SETTINGS = {"": ((128, 64), 3, 4), "_256": ((256, 256), 5, 2)}


@dataclass(frozen=True)
class Comparison:
    """Two implementations of one operation, each forward and backward.

    Attributes:
        name: Name of the ratio, ours over the other.
        ours: Runs our implementation once.
        other: Runs the other implementation once.
    """

    name: str
    ours: Callable[[], None]
    other: Callable[[], None]


@dataclass(frozen=True)
class Measurement:
    """Measured time and memory of a comparison.

    Attributes:
        ratio: Our time over the other's in the same repetition, median over repetitions.
        ours: Our time in seconds, median over repetitions.
        other: The other's time in seconds, median over repetitions.
        ours_peak: Our peak tensor memory in bytes, beyond the inputs.
        other_peak: The other's peak tensor memory in bytes, beyond the inputs.
        repetitions: Number of timed repetitions.
    """

    ratio: float
    ours: float
    other: float
    ours_peak: int
    other_peak: int
    repetitions: int


@dataclass(frozen=True)
class LoaderSpeed:
    """Throughput of the data loader and of the training step that consumes its pairs.

    Attributes:
        batch_size: Pairs per batch, of loader and training step.
        images: Number of images in the data set.
        step: Pairs per second consumed by the training step of `pedestrian-base`.
        memory: Pairs per second loaded from images on the device.
        file: Pairs per second loaded from a memory-mapped file (in the page cache), through
            page-locked memory if the device is a GPU.
        memory_surplus: `memory` over `step`.
        file_surplus: `file` over `step`.
    """

    batch_size: int
    images: int
    step: float
    memory: float
    file: float
    memory_surplus: float
    file_surplus: float


def run_bench(device: str = "cpu", quick: bool = False, data: Path | None = None) -> dict[str, Any]:
    """Run all benchmarks.

    Args:
        device: Device to run on.
        quick: Run fewer repetitions, and no networks except those of the training step: under a
            minute on two cores.
        data: Data set for the loader; by default the bundled people, repeated.

    Returns:
        `ratios` by name; `times`, the underlying measurements (seconds and bytes) and, unless
        `quick`, the generator's seconds per image; `loader`, a `LoaderSpeed`; `machine`, a
        description of the machine.
    """
    seconds = QUICK_SECONDS if quick else FULL_SECONDS
    torch.manual_seed(0)
    measured = {
        comparison.name: measure(comparison, device, seconds) for comparison in comparisons(device)
    }
    times: dict[str, Any] = {name: asdict(found) for name, found in measured.items()}
    if not quick:
        times |= _generator_times(device, seconds)
    return {
        "ratios": {name: found.ratio for name, found in measured.items()},
        "times": times,
        "loader": asdict(loader_speed(device, seconds, data)),
        "machine": describe_machine(device),
    }


def comparisons(device: str = "cpu") -> list[Comparison]:
    """Return all comparisons; the suffix `_256` means 256x256 images, window 5 and batch size 2."""
    found = []
    for suffix, (size, window, batch) in SETTINGS.items():
        generated, target = _features(batch, size, device), _features(batch, size, device)
        named = f"{suffix}_n{window}" if suffix else ""

        def nearest(generated=generated, target=target, window=window) -> Tensor:
            return nearest_neighbour_loss(generated, target, window)

        def l1(generated=generated, target=target) -> Tensor:
            return (generated - target).abs().mean()

        def stacked(generated=generated, target=target, window=window) -> Tensor:
            return stacked_shifts(generated, target, window)

        ours = _with_backward(nearest, generated)
        found.append(Comparison(f"nn_loss_vs_l1{named}", ours, _with_backward(l1, generated)))
        found.append(
            Comparison(f"nn_loss_vs_stacked{named}", ours, _with_backward(stacked, generated))
        )
    for suffix, (size, _, batch) in SETTINGS.items():
        features = _features(batch, size, device)
        transforms, masks = _bundled_poses(batch, size, device)

        def warp(features=features, transforms=transforms, masks=masks) -> Tensor:
            return warp_parts(features, transforms, masks).mean()

        def copies(features=features, transforms=transforms, masks=masks) -> Tensor:
            return ten_copies(features, transforms, masks).mean()

        found.append(
            Comparison(
                f"deformable_skip_vs_ten_copies{suffix}",
                _with_backward(warp, features),
                _with_backward(copies, features),
            )
        )
    return found


def measure(comparison: Comparison, device: str, seconds: float) -> Measurement:
    """Time both sides of a comparison in alternation.

    The memory measurement comes first and serves as warm-up.

    Args:
        comparison: The comparison to run.
        device: Device to run on.
        seconds: Time to spend on repetitions; there are at least two.
    """
    ours_peak, other_peak = (
        peak_memory(run, device) for run in (comparison.ours, comparison.other)
    )
    ours, other = [], []
    end = time.perf_counter() + seconds
    while len(ours) < 2 or time.perf_counter() < end:
        other.append(_seconds(comparison.other, device))
        ours.append(_seconds(comparison.ours, device))
    ratios = [mine / theirs for mine, theirs in zip(ours, other, strict=True)]
    return Measurement(
        median(ratios), median(ours), median(other), ours_peak, other_peak, len(ratios)
    )


def loader_speed(device: str, seconds: float, data: Path | None = None) -> LoaderSpeed:
    """Time the data loader and the training step in alternation.

    Args:
        device: Device of the batches and the training step.
        seconds: Time to spend on repetitions; there are at least two.
        data: Data set to load; see `run_bench`.
    """
    cuda = torch.device(device).type == "cuda"
    config = pedestrian_base()
    if cuda:
        config = replace(config, batch_size=CUDA_BATCH)
    with tempfile.TemporaryDirectory() as folder:
        mapped = _loader_data(data, Path(folder))
        held = copy(mapped)
        held.images = mapped.images.clone()
        loaders = [
            PairBatches(dataset, config.batch_size, flip=config.flip, device=device, storage=place)
            for dataset, place in ((held, "device"), (mapped, "host"))
        ]
        fabric = open_fabric(torch.device(device))
        gan = Gan.create(config, fabric)
        features = _random_vgg19(config.vgg_layers).to(device)
        pair = loaders[0][0]

        def learn() -> None:
            for step in range(CUDA_STEPS if cuda else 1):
                train_step(fabric, gan, [pair], features, config, step)

        runs = [learn, *(_loading(loader) for loader in loaders)]
        batches = [CUDA_STEPS if cuda else 1, LOADER_BATCHES, LOADER_BATCHES]
        for run in runs:
            run()
        times: list[list[float]] = [[] for _ in runs]
        end = time.perf_counter() + seconds
        while len(times[0]) < 2 or time.perf_counter() < end:
            for run, of_run in zip(runs, times, strict=True):
                of_run.append(_seconds(run, device))
        step, memory, file = (
            number * config.batch_size / median(of_run)
            for number, of_run in zip(batches, times, strict=True)
        )
        return LoaderSpeed(
            config.batch_size, len(held), step, memory, file, memory / step, file / step
        )


def _loader_data(data: Path | None, cache: Path) -> PhotoSet:
    if data is None:
        return bundled_photo_set(LOADER_REPEATS, cache)
    return open_dataset(data, cache=cache)


def _loading(loader: PairBatches) -> Callable[[], None]:
    steps: Iterator[int] = count()

    def run() -> None:
        for _ in range(LOADER_BATCHES):
            loader[next(steps)]

    return run


def _random_vgg19(layers: tuple[str, ...]) -> Vgg19Features:
    """Create a VGG-19 with random weights, whose values do not affect the timings."""
    arrays = {
        f"{name}.{kind}": torch.randn(shape) * 0.05
        for name, outputs, inputs in (("conv1_1", 64, 3), ("conv1_2", 64, 64))
        for kind, shape in (("weight", (outputs, inputs, 3, 3)), ("bias", (outputs,)))
    }
    return Vgg19Features.from_arrays(arrays, layers)


def peak_memory(run: Callable[[], None], device: str) -> int:
    """Return the peak tensor memory of a function in bytes, beyond what was allocated before.

    On a CPU, it is the running sum of all allocations that torch's profiler records, so that memory
    cached by the allocator does not count.
    """
    gc.collect()
    if torch.device(device).type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        return torch.cuda.max_memory_allocated(device) - before
    # Otherwise, the profiler logs its start and stop to standard error.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        run()
    held = peak = 0
    assert seen.profiler is not None
    assert seen.profiler.kineto_results is not None
    events = [
        event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"
    ]
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def stacked_shifts(
    generated: Float[Tensor, "batch channels height width"],
    target: Float[Tensor, "batch channels height width"],
    window: int,
) -> Float[Tensor, ""]:
    """Compute the nearest-neighbour loss naively: stack all shifts and use autograd."""
    height, width = generated.shape[-2:]
    padded = F.pad(target, (window // 2,) * 4, value=float("inf"))
    shifts = [
        padded[:, :, dy : dy + height, dx : dx + width]
        for dy in range(window)
        for dx in range(window)
    ]
    return torch.stack([(generated - shift).abs().sum(dim=1) for shift in shifts]).amin(0).mean()


def ten_copies(
    features: Float[Tensor, "batch channels height width"],
    source_from_target: Float[Tensor, "batch parts 2 3"],
    masks: Bool[Tensor, "batch parts height width"],
) -> Float[Tensor, "batch channels height width"]:
    """Compute the deformable skip by definition: warp a copy of the features for every part."""
    batch, parts = masks.shape[:2]
    repeated = features.repeat_interleave(parts, dim=0)  # (B*P, C, H, W)
    grid = F.affine_grid(
        source_from_target.flatten(0, 1), list(repeated.shape), align_corners=False
    )
    warped = F.grid_sample(repeated, grid, align_corners=False).unflatten(0, (batch, parts))
    return (warped * masks[:, :, None]).amax(dim=1)


def describe_machine(device: str) -> dict[str, Any]:
    """Return the hardware, the software versions and the current load of the machine."""
    cpu = platform.processor() or platform.machine()
    details = Path("/proc/cpuinfo")
    if details.exists():
        names = [line for line in details.read_text().splitlines() if "model name" in line]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    machine = {
        **provenance(),
        "torch": torch.__version__,
        "cpu": cpu,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": device,
    }
    if torch.device(device).type == "cuda":
        machine["gpu"] = torch.cuda.get_device_name(device)
    if hasattr(os, "getloadavg"):
        machine["load"] = round(os.getloadavg()[0], 2)
    return machine


def _features(batch: int, size: tuple[int, int], device: str) -> Tensor:
    """Return random features as after a ReLU: half of them are zero."""
    return torch.randn(batch, CHANNELS, *size, device=device).relu_().requires_grad_()


def _with_backward(forward: Callable[[], Tensor], leaf: Tensor) -> Callable[[], None]:
    def run() -> None:
        forward().backward()
        leaf.grad = None

    return run


def _seconds(run: Callable[[], object], device: str) -> float:
    cuda = torch.device(device).type == "cuda"
    if cuda:
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    run()
    if cuda:
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def _bundled_pairs(batch: int, size: tuple[int, int]) -> tuple[Pose, Pose]:
    """Return source and target poses of bundled people, centred in an image of `size`."""
    pose = read_annotations(PEOPLE).pose
    scale = size[0] / PEOPLE_SIZE[0]
    joints = pose.joints * scale
    joints = joints + joints.new_tensor([(size[1] - PEOPLE_SIZE[1] * scale) / 2, 0])
    pose = Pose(joints, pose.visible)
    first = [person * _VIEWS for person in range(batch)]
    # From front to back: the torso of a person seen from the side has no transform, which would
    # skip the largest part.
    return pose[first], pose[[view + 2 for view in first]]


def _bundled_poses(batch: int, size: tuple[int, int], device: str) -> tuple[Tensor, Tensor]:
    """Return normalized transforms and masks between two poses of each bundled person."""
    source, target = _bundled_pairs(batch, size)
    transforms, found = part_transforms(source, target, OPENPOSE18)
    masks = part_masks(target, OPENPOSE18, size) & found[:, :, None, None]
    return normalize(transforms, size).to(device), masks.to(device)


def _generator_times(device: str, seconds: float) -> dict[str, float]:
    """Time the paper's generator without gradient, in seconds per image."""
    generator = Generator(GeneratorConfig()).to(device).eval()
    times = {}
    for size, _, batch in SETTINGS.values():
        source, target = (pose.to(device) for pose in _bundled_pairs(batch, size))
        view = View(torch.rand(batch, 3, *size, device=device) * 2 - 1, source)

        def paint(view=view, target=target) -> None:
            with torch.inference_mode():
                generator(view, target)

        paint()
        runs = []
        end = time.perf_counter() + seconds
        while len(runs) < 3 or time.perf_counter() < end:
            runs.append(_seconds(paint, device) / batch)
        times[f"generator_{size[0]}x{size[1]}"] = median(runs)
    return times
