"""Window: the full-resolution crop that is judged in pictures larger than `rows`."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from torch import Tensor

from deformgan.backbones.vgg19 import Vgg19Features
from deformgan.models.feature_judge import FeaturedView
from deformgan.pair import View
from deformgan.training.compared import look
from deformgan.training.config import TrainConfig

_WINDOW = 3  # random stream; `step` uses 2 for dropout


@dataclass(frozen=True)
class Window:
    """A window of a picture, in its pixels."""

    top: int
    left: int
    size: tuple[int, int]

    @staticmethod
    def random(config: TrainConfig, step: int, size: tuple[int, int]) -> "Window | None":
        """Choose the window of a step; the same in every process.

        It has `discriminator.rows` rows and the picture's proportions, so it costs as much to judge
        as the whole picture at that size. Its centre is anywhere in the picture, but the window
        does not leave it: otherwise the outermost pixels, such as those of heads and feet, would
        hardly ever be judged.

        Args:
            config: The run; its seed and the step determine the window.
            step: Number of the step.
            size: Height and width of the picture.

        Returns:
            None if nothing judges windows, or the picture has at most `rows` rows.
        """
        rows = config.discriminator.rows
        if not config.discriminator.closeup_layers or size[0] <= rows:
            return None
        # A multiple of the strides of all layers, so that heat maps and features agree.
        columns = max(4, round(size[1] * rows / size[0] / 4) * 4)
        random = np.random.default_rng((config.seed, _WINDOW, step))
        top, left = (
            min(max(int(random.integers(0, whole)) - part // 2, 0), whole - part)
            for whole, part in zip(size, (rows, columns), strict=True)
        )
        return Window(top, left, (rows, columns))

    def of(
        self,
        view: View,
        image: Float[Tensor, "batch 3 height width"],
        features: Vgg19Features,
        config: TrainConfig,
    ) -> FeaturedView:
        """Look at a picture through the window.

        Args:
            view: The intended pose, in pixels of the picture.
            image: The picture, real or generated.
            features: VGG-19 with the `closeup_layers`.
            config: The run.
        """
        near = replace(view, image=image).crop(self.top, self.left, self.size)
        return FeaturedView(near, look(features, near.image, config.discriminator.closeup_layers))
