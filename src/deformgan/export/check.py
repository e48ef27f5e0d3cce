"""Check of exported graphs against the generator in PyTorch, on the bundled people."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from deformgan.datasets.bundled_people import VIEWS, bundled_people
from deformgan.export.client_layers import client_layers
from deformgan.export.decode import compose
from deformgan.models.generator import Generator
from deformgan.models.layers import resize, resize_pose
from deformgan.pair import View
from deformgan.pixels import to_image

GREY = 127.5  # grey levels per unit

Arrays = dict[str, np.ndarray]
Run = Callable[[Arrays], Arrays]


@dataclass(frozen=True)
class Case:
    """A source and a target, with what PyTorch generates from them.

    Attributes:
        source: Inputs of the source graph.
        target: Further inputs of the pose graph, except what the source graph returns.
        photo: The photo at the size at which it is copied, in [-1, 1].
        picture: The generated picture of that size.
        outputs: The pose graph's outputs, as far as the generator returns them.
    """

    source: Arrays
    target: Arrays
    photo: np.ndarray
    picture: np.ndarray
    outputs: Arrays


@dataclass(frozen=True)
class Difference:
    """How far pictures are from those of PyTorch, in grey levels.

    Attributes:
        largest: Largest difference of all.
        mean: Mean difference.
        most: The 99.9th percentile of the differences.
        worst: Mean difference of the picture that differs most.
        outputs: Largest difference of every output of the pose graph, in its own unit.
    """

    largest: float
    mean: float
    most: float
    worst: float
    outputs: dict[str, float]

    @staticmethod
    def of(cases: Sequence[Case], pictures: Sequence[np.ndarray], outputs: Sequence[Arrays]):
        """Compare pictures, and outputs of the pose graph, with those of the cases."""
        away = [
            np.abs(picture - case.picture) * GREY
            for picture, case in zip(pictures, cases, strict=True)
        ]
        return Difference(
            largest=float(np.max(away)),
            mean=float(np.mean(away)),
            most=float(np.quantile(away, 0.999)),
            worst=float(np.mean(away, axis=(1, 2, 3)).max()),
            outputs={
                name: max(
                    float(np.abs(found[name] - case.outputs[name]).max())
                    for found, case in zip(outputs, cases, strict=True)
                )
                for name in cases[0].outputs
            },
        )


@torch.no_grad()
def check_cases(
    generator: Generator, size: tuple[int, int], people: int | None = None
) -> list[Case]:
    """Generate bundled people in the poses of their other photos.

    Args:
        generator: In evaluation mode, on the CPU.
        size: Height and width at which the network works.
        people: Number of people; by default all.
    """
    layered, cases = generator.config.layers is not None, []
    fine = (2 * size[0], 2 * size[1]) if layered else size
    for views in bundled_people()[:people]:
        before = (views[0].photo.shape[0], views[0].photo.shape[1])
        photos = [resize(to_image(view.photo), fine) for view in views]
        poses = [resize_pose(view.pose, before, size) for view in views]
        view = View(photos[0], resize_pose(poses[0], size, fine))
        encoded = generator.encode(view, scene=False)
        source = {
            "image": resize(photos[0], size),
            "source_joints": poses[0].joints,
            "source_visible": poses[0].visible.float(),
        }
        background = resize(photos[-1], size) if generator.config.background else None
        for target in poses[1:VIEWS]:
            outputs = _generate(generator, encoded, resize_pose(target, size, fine), background)
            picture = outputs["picture"][0].numpy()
            asked = {"target_joints": target.joints, "target_visible": target.visible.float()}
            if layered:
                del outputs["picture"]
                asked["photo"] = photos[0]
            if background is not None:
                asked["background"] = background
            photo = photos[0][0].numpy()
            cases.append(Case(_arrays(source), _arrays(asked), photo, picture, _arrays(outputs)))
    return cases


def _generate(generator, encoded, target, background) -> dict[str, Tensor]:
    """Return the picture, and with layers the outputs of the pose graph."""
    config = generator.config.layers
    if config is None:
        return {"picture": generator(encoded, target, background=background)}
    layers = generator.layers(encoded, target, background=background)
    return {"picture": layers.picture, **client_layers(layers, config)}


def _arrays(tensors: dict[str, Tensor]) -> Arrays:
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def open_graph(model: bytes, threads: int = 1) -> Run:
    """Load a graph into onnxruntime on the CPU, as a function from inputs to outputs by name.

    Args:
        model: The serialized graph.
        threads: Number of threads.

    Returns:
        A function that ignores inputs which the graph does not have.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    inputs = [value.name for value in session.get_inputs()]
    outputs = [value.name for value in session.get_outputs()]

    def run(given: Arrays) -> Arrays:
        found = session.run(outputs, {name: given[name] for name in inputs})
        return dict(zip(outputs, found, strict=True))

    return run


def measure(cases: Sequence[Case], source: Run, pose: Run) -> Difference:
    """Measure how far the pictures of two graphs are from those of PyTorch."""
    return compare(cases, [pose(case.source | source(case.source) | case.target) for case in cases])


def compare(cases: Sequence[Case], outputs: Sequence[Arrays]) -> Difference:
    """Compose pictures from outputs of a pose graph, and compare both with PyTorch's."""
    pictures = [
        found["picture"][0]
        if "picture" in found
        else compose(found, case.photo, case.picture.shape[1:])
        for case, found in zip(cases, outputs, strict=True)
    ]
    return Difference.of(cases, pictures, outputs)


def measure_half(
    cases: Sequence[Case], generator: Generator, size: tuple[int, int], people: int | None = None
) -> Difference:
    """Measure how far pictures are whose convolutions have inputs and outputs in float16.

    PyTorch rounds them here: on CPUs onnxruntime computes such graphs in float32.

    Args:
        cases: Of `check_cases` with the same arguments.
        generator: See `check_cases`, as for the other arguments.
        size: See there.
        people: See there.
    """
    generator = deepcopy(generator)
    for module in generator.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.half().float()
            module.register_forward_pre_hook(lambda _, inputs: tuple(map(_rounded, inputs)))
            module.register_forward_hook(lambda _, inputs, output: _rounded(output))
    rounded = check_cases(generator, size, people)
    pictures, outputs = [case.picture for case in rounded], [case.outputs for case in rounded]
    return Difference.of(cases, pictures, outputs)


def _rounded(tensor: Tensor) -> Tensor:
    return tensor.half().float()
