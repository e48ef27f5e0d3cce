"""GeneratorConfig: which form of the generator to build; the defaults are the paper's."""

from dataclasses import dataclass
from typing import Literal

from deformgan.affine import FitMethod, Frame
from deformgan.deformable_skip import Aggregation, Interpolation
from deformgan.heatmap import HeatmapKind
from deformgan.models.blocks import Norm, Upsampling
from deformgan.models.layers import LayersConfig
from deformgan.parts import Convention

Warp = Literal["parts", "global", "learned", "none"]


@dataclass(frozen=True)
class GeneratorConfig:
    """Configuration of a generator; the defaults are the paper's for 128x64 images.

    Attributes:
        encoder_widths: Channels of each encoder level, full resolution first; each further level
            halves the resolution.
        decoder_widths: Channels of each decoder block, coarsest first; one fewer than levels.
        streams: 2: separate encoders for the source (image and pose) and the target pose. 1: the
            paper's baseline, one encoder on everything, with plain skips.
        warp: Transform of the source stream's skips: "parts" (one per body part), "global" (one
            without masks), "learned" (one predicted from both poses, see `LearnedAffine`) or
            "none".
        warped_levels: Number of levels with warped skips, from full resolution.
        aggregation: How overlapping parts are combined in a warped skip.
        interpolation: How warped features are sampled.
        norm: "instance" normalizes per channel, "joint" over all channels (the authors' code).
        upsampling: "transposed" (the paper's convolutions) or "resize".
        blend: Whether the warped photo is blended into the output under a predicted mask.
        heatmap_sigma: In pixels.
        heatmap_kind: See `render_heatmaps`.
        fit: See `fit_affine`.
        frame: See `normalize`; a learned transform always uses the half-pixel frame.
        convention: See `part_masks`.
        skeleton: Skeleton of the poses; see `skeleton_setting`.
        refine: Whether a small network corrects the parts' transforms (see `AffineRefinement`).
        background: Whether a background image is an input of the target stream, beside the pose.
        layers: Settings of a layered output at the photo's own resolution (see `Layers`); None for
            the paper's output.
    """

    encoder_widths: tuple[int, ...] = (64, 128, 256, 512, 512, 512)
    decoder_widths: tuple[int, ...] = (512, 512, 512, 256, 128)
    streams: Literal[1, 2] = 2
    warp: Warp = "parts"
    warped_levels: int = 4
    aggregation: Aggregation = "max"
    interpolation: Interpolation = "bilinear"
    norm: Norm = "instance"
    upsampling: Upsampling = "transposed"
    blend: bool = False
    heatmap_sigma: float = 6.0
    heatmap_kind: HeatmapKind = "gaussian"
    fit: FitMethod = "least_squares"
    frame: Frame = "half_pixel"
    convention: Convention = "deformgan"
    skeleton: str = "openpose18"
    refine: bool = False
    background: bool = False
    layers: LayersConfig | None = None

    def __post_init__(self):
        if not 0 < self.heatmap_sigma < 1e6:
            raise ValueError(f"heatmap_sigma must be positive, got {self.heatmap_sigma}.")
        if len(self.decoder_widths) != len(self.encoder_widths) - 1:
            raise ValueError(
                f"{len(self.encoder_widths)} encoder levels need {len(self.encoder_widths) - 1} "
                f"decoder blocks, got {len(self.decoder_widths)}."
            )
        if self.streams == 1 and self.warp != "none":
            raise ValueError("streams=1 mixes both poses before any skip: warp must be none.")
        if self.streams == 1 and self.background:
            raise ValueError("background is an input of the target stream: streams must be 2.")
        if self.blend and self.warp == "none":
            raise ValueError("blend needs a warped photo: warp must be parts, global or learned.")
        if self.layers is not None and not (self.blend and self.warp == "parts"):
            raise ValueError(
                "layers need the parts' transforms and blending: set warp to parts and blend."
            )
        if self.layers is not None and self.upsampling != "resize":
            raise ValueError("layers accept any image shape: upsampling must be resize.")
        if self.layers is not None:
            least = max(self.stride, self.layers.stride)
            if self.layers.rows < least:
                raise ValueError(
                    f"layers.rows must be at least {least} for this number of levels, got "
                    f"{self.layers.rows}."
                )
        if self.refine and self.warp != "parts":
            raise ValueError(
                f"refine corrects the transforms of parts: warp must be parts, got {self.warp}."
            )
        if (self.refine or self.warp == "learned") and self.interpolation == "nearest":
            raise ValueError(
                "nearest sampling has no gradient for a learned or refined transform: "
                "interpolation must be bilinear."
            )

    @property
    def stride(self) -> int:
        """Image pixels per bottleneck pixel; height and width must be multiples of it."""
        return 2 ** (len(self.encoder_widths) - 1)
