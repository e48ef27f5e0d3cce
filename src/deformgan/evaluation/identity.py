"""identity: similarity of generated and real person in the embedding of a Re-ID network."""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.detectors.onnx import open_onnx
from deformgan.errors import InputError

BATCH = 32

# Mean and deviation of ImageNet's colours, RGB in [0, 1].
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


class Extractor:
    """A Re-ID network (ONNX, CPU): images to embeddings of length 1.

    Args:
        path: Model file. The network maps RGB images of a fixed size, in batches of one or any
            size, to one vector per image.
        threads: Number of threads for the network.
    """

    def __init__(self, path: Path, threads: int = 1):
        if not path.is_file():
            raise InputError(f"The extractor's model file {path} does not exist.")
        self._network = open_onnx("A Re-ID extractor", path, threads)
        inputs = self._network.get_inputs()
        shape = inputs[0].shape
        if len(shape) == 4 and isinstance(shape[0], int) and shape[0] != 1:
            raise InputError(
                f"{path} takes {shape[0]} images at a time; 1 or any number is needed: export it "
                "with a dynamic batch axis."
            )
        if (
            len(inputs) != 1
            or inputs[0].type != "tensor(float)"
            or len(shape) != 4
            or shape[1] != 3
            or not all(isinstance(length, int) for length in shape[2:])
        ):
            raise _not_extractor(path)
        self._input = inputs[0].name
        self._size = (shape[2], shape[3])
        self._batch = 1 if isinstance(shape[0], int) else BATCH
        # Run once to get the output's shape, which the file may not specify.
        try:
            vectors = self._run(torch.zeros(1, 3, *self._size))
        except Exception:  # the library's errors have no common base class
            raise _not_extractor(path) from None
        if vectors.ndim != 2 or len(vectors) != 1:
            raise _not_extractor(path)
        if self._batch > 1 and not self._takes_two(vectors.shape[1]):
            self._batch = 1  # exported from one image, whatever the axis is called

    def __call__(
        self, images: UInt8[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch features"]:
        """Compute the embedding of the person in each image, normalized to length 1."""
        mean, deviation = (torch.tensor(three)[:, None, None] for three in (MEAN, DEVIATION))
        vectors = []
        for part in images.split(self._batch):
            # With antialiasing, downscaling matches Pillow; upscaling is unaffected.
            pixels = F.interpolate(
                part.cpu().float() / 255, self._size, mode="bilinear", antialias=True
            )
            vectors.append(self._run((pixels - mean) / deviation))
        return F.normalize(torch.cat(vectors), dim=1)

    def _takes_two(self, length: int) -> bool:
        try:
            return self._run(torch.zeros(2, 3, *self._size)).shape == (2, length)
        except Exception:  # the library's errors have no common base class
            return False

    def _run(self, planes: Tensor) -> Tensor:
        return torch.from_numpy(self._network.run(None, {self._input: planes.numpy()})[0])


def identity(
    generated: UInt8[Tensor, "batch 3 height width"],
    target: UInt8[Tensor, "batch 3 target_height target_width"],
    extractor: Callable[[Tensor], Tensor],
) -> Float[Tensor, "batch"]:
    """Compute the cosine similarity of generated and real people's embeddings, in [-1, 1].

    The extractor is a judge: use it only for evaluation, never for training or model selection.

    Args:
        generated: Generated images, RGB.
        target: Real photos, RGB.
        extractor: Maps images to embeddings of length 1: an `Extractor`, or the bundled network.
    """
    return (extractor(generated) * extractor(target)).sum(dim=1).double()


def _not_extractor(path: Path) -> InputError:
    return InputError(
        f"{path} is not a Re-ID extractor, which maps RGB images of a fixed size to vectors."
    )
