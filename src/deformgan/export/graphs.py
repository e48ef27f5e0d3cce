"""SourceGraph, PoseGraph: the two halves of a generator, from tensors to tensors.

What the first computes from a photo alone, the second takes for every pose of that photo.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deformgan.affine import normalize
from deformgan.errors import InputError
from deformgan.models.generator import Generator, Guide
from deformgan.part_field import nearness, own_places
from deformgan.part_geometry import PoseGeometry
from deformgan.pose import Pose

Named = dict[str, Tensor]

SOURCE = ("image", "source_joints", "source_visible")
TARGET = ("target_joints", "target_visible")
LAYERS = ("flow", "person", "paint", "scene", "logits")
PICTURE = ("picture",)


def check_exportable(generator: Generator) -> None:
    """Refuse a generator for which no graph of fixed shapes exists.

    Raises:
        InputError: If a setting has none.
    """
    config = generator.config
    for name, wanted in (
        ("warp", "parts"),
        ("fit", "least_squares"),
        ("interpolation", "bilinear"),
        ("convention", "deformgan"),
        ("frame", "half_pixel"),
    ):
        if (found := getattr(config, name)) != wanted:
            raise InputError(
                f"These weights cannot be exported: their {name} is {found}, and only {wanted} is "
                "supported."
            )


class _Graph(nn.Module):
    def __init__(self, generator: Generator, size: tuple[int, int]):
        super().__init__()
        self.generator = generator
        self.layered = generator.config.layers is not None
        self.size = size
        self.geometry = PoseGeometry(generator.skeleton, size)


class SourceGraph(_Graph):
    """What a photo alone determines: `Generator.encode` without the scene.

    Args:
        generator: A generator for which `check_exportable` passes, in evaluation mode.
        size: Height and width at which the network works.
    """

    inputs = SOURCE

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the kept features."""
        layers, levels = self.generator.config.layers, len(self.generator.config.encoder_widths)
        corrects = layers is not None and layers.correction
        look = ("look", "source_matte", "source_person") if corrects else ()
        return (*(f"level_{level}" for level in range(levels)), *look)

    def forward(
        self,
        image: Float[Tensor, "batch 3 height width"],
        source_joints: Float[Tensor, "batch joints 2"],
        source_visible: Float[Tensor, "batch joints"],
    ) -> tuple[Tensor, ...]:
        """Compute the kept features, in the order of `outputs`.

        Args:
            image: The photo at the network's size, RGB in [-1, 1].
            source_joints: In pixels of `image`.
            source_visible: 1 for visible joints, 0 for others.
        """
        generator, pose = self.generator, Pose(source_joints, source_visible > 0.5)
        heatmaps = generator.heatmaps(pose, self.size)
        if "look" not in self.outputs:
            return tuple(generator.source_levels(image, heatmaps))
        limbs = self.geometry.limbs(pose)
        near = nearness(self.geometry.distances(pose, limbs), limbs.unit)
        look, matte = generator.look(torch.cat([image, heatmaps, near], dim=1))
        person = generator.without_scene(image, matte)
        return (*generator.source_levels(person, heatmaps), look, matte, person)


class PoseGraph(_Graph):
    """What a target pose adds: a picture, or the layers of one.

    Args:
        generator: See `SourceGraph`, as for `size`.
        size: See there.
    """

    def __init__(self, generator: Generator, size: tuple[int, int]):
        super().__init__(generator, size)
        self.kept = SourceGraph(generator, size).outputs

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs: all of the source, what was kept of it, and the target."""
        photo = ("photo",) if self.layered else ()
        background = ("background",) if self.generator.config.background else ()
        return (*SOURCE, *self.kept, *TARGET, *photo, *background)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return LAYERS if self.layered else PICTURE

    def forward(
        self,
        image: Float[Tensor, "batch 3 height width"],
        source_joints: Float[Tensor, "batch joints 2"],
        source_visible: Float[Tensor, "batch joints"],
        *others: Tensor,
    ) -> tuple[Tensor, ...]:
        """Generate the layers, or without layers the picture.

        Args:
            image: See `SourceGraph`.
            source_joints: See `SourceGraph`.
            source_visible: See `SourceGraph`.
            others: The other `inputs`: the kept features, joints and visibility of the target; with
                layers the photo at twice the network's size, at which the detail network reads it;
                and the background of generators that take one.

        Returns:
            With layers: the displacement (x, y) from every target pixel to its source, in widths
            and heights of the image; how much of the photo is person there, in [0, 1] (both at the
            network's size); and at twice that size paint and scene in [-1, 1], and the logits of
            visibility and matte.
        """
        generator, config, size = self.generator, self.generator.config, self.size
        given = dict(zip(self.inputs[len(SOURCE) :], others, strict=True))
        kept = [given[name] for name in self.kept]
        levels, look = kept[: len(config.encoder_widths)], kept[len(config.encoder_widths) :][:2]
        source = Pose(source_joints, source_visible > 0.5)
        target = Pose(given["target_joints"], given["target_visible"] > 0.5)
        limbs = self.geometry.limbs(source), self.geometry.limbs(target)
        moves, found = self.geometry.transforms(source, target, *limbs)
        blended = moves
        if config.refine:
            correction = generator.refinement(source, target, size)
            moves = moves + correction.where(found[..., None, None], 0)
        strides = [2**level for level in range(config.warped_levels)]
        heatmaps = generator.heatmaps(target, size)
        guide = Guide(
            heatmaps,  # the source's are not needed any more
            heatmaps,
            [normalize(moves, size, config.frame, stride) for stride in strides],
            [
                mask & found[:, :, None, None]
                for mask in self.geometry.masks(target, limbs[1], strides)
            ],
        )
        background = given.get("background")
        features = generator.paint(image, guide, None, background, levels).output
        if not self.layered:
            return (features,)
        assert config.layers is not None
        distances, unit = self.geometry.distances(target, limbs[1]), limbs[1].unit.clamp(min=1)
        base = self.geometry.field(distances, blended, found, config.layers.softness * unit)
        fields = generator.correct(image, heatmaps, base, nearness(distances, unit), unit, look)
        person = given.get("source_person", image)
        planes = generator.planes(given["photo"], person, fields, features)
        field = fields.source_from_target
        flow = field - own_places(size, field)
        flow = flow / flow.new_tensor([size[1], size[0]])[:, None, None]
        logits = planes.logits * planes.logits.new_tensor(config.layers.decision)[:, None, None]
        of_person = planes.of_person if config.layers.copy else planes.of_person * 0
        return flow, of_person, planes.paint, planes.scene, logits
