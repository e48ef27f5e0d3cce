"""identity: is it the same person? A Re-ID network compares the output with the real photo."""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from deformgan.detectors.onnx import open_onnx
from deformgan.errors import InputError

BATCH = 32

# Of ImageNet's colours, red first, in [0, 1].
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


class Extractor:
    """A Re-ID network (ONNX, CPU): images to embeddings of length 1.

    Args:
        path: The model file. It takes RGB images of a fixed size, one or any number at a time, and
            gives one vector per image.
        threads: How many the network may use.
    """

    def __init__(self, path: Path, threads: int = 1):
        if not path.is_file():
            raise InputError(f"The extractor's model file {path} does not exist.")
        self._network = open_onnx("A Re-ID extractor", path, threads)
        inputs = self._network.get_inputs()
        shape = inputs[0].shape
        if (
            len(inputs) != 1
            or inputs[0].type != "tensor(float)"
            or len(shape) != 4
            or (isinstance(shape[0], int) and shape[0] != 1)
            or shape[1] != 3
            or not all(isinstance(length, int) for length in shape[2:])
        ):
            raise _not_extractor(path)
        self._input = inputs[0].name
        self._size = (shape[2], shape[3])
        self._batch = 1 if isinstance(shape[0], int) else BATCH
        # One run tells the output's shape, which the file need not.
        if self._run(torch.zeros(1, 3, *self._size)).ndim != 2:
            raise _not_extractor(path)

    def __call__(
        self, images: UInt8[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch features"]:
        """Describes the person in each image by a vector of length 1."""
        mean, deviation = (torch.tensor(three)[:, None, None] for three in (MEAN, DEVIATION))
        vectors = []
        for part in images.split(self._batch):
            # Antialiasing changes nothing when enlarging; shrinking is then Pillow's.
            pixels = F.interpolate(
                part.cpu().float() / 255, self._size, mode="bilinear", antialias=True
            )
            vectors.append(self._run((pixels - mean) / deviation))
        return F.normalize(torch.cat(vectors), dim=1)

    def _run(self, planes: Tensor) -> Tensor:
        return torch.from_numpy(self._network.run(None, {self._input: planes.numpy()})[0])


def identity(
    generated: UInt8[Tensor, "batch 3 height width"],
    target: UInt8[Tensor, "batch 3 target_height target_width"],
    extractor: Callable[[Tensor], Tensor],
) -> Float[Tensor, "batch"]:
    """Compares generated people with real photos of them: cosine of their embeddings, in [-1, 1].

    The extractor is a judge: it scores, and never trains, selects or gives gradients.

    Args:
        generated: Generated images, RGB.
        target: Real photos, RGB.
        extractor: Gives images embeddings of length 1: an `Extractor`, or the bundled one.
    """
    return (extractor(generated) * extractor(target)).sum(dim=1).double()


def _not_extractor(path: Path) -> InputError:
    return InputError(
        f"{path} is not a Re-ID extractor: RGB images of a fixed size in, a vector per image out."
    )
