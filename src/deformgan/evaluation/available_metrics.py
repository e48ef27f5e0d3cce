"""find_metrics: all metrics that the available networks support."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deformgan.backbones.efficientnet_lite0 import (
    FEATURES,
    SIZE,
    EfficientNetLite0,
    Lite0Output,
    load_efficientnet_lite0,
)
from deformgan.backbones.person_embedding import load_person_embedding
from deformgan.detectors import load_detector
from deformgan.detectors.fastestdet import FastestDet
from deformgan.errors import InputError
from deformgan.evaluation.detection_score import PersonDetector, detection_score
from deformgan.evaluation.identity import Extractor, identity
from deformgan.evaluation.metric_set import (
    Columns,
    CorpusMetrics,
    Images,
    MetricSet,
    PairMetrics,
    Scene,
)
from deformgan.evaluation.pckh import RADIUS, pckh
from deformgan.evaluation.protocol import Protocol
from deformgan.metrics.efficientnet_lite0 import lpips_efficientnet_lite0
from deformgan.metrics.fid import FeatureMoments, fid
from deformgan.metrics.inception_score import inception_score
from deformgan.metrics.kid import kid
from deformgan.metrics.part_error import part_errors
from deformgan.metrics.sharpness import relative_sharpness
from deformgan.parts import unit_length
from deformgan.pose import Skeleton
from deformgan.skeletons.openpose18 import OPENPOSE18

POOL3 = 2048  # features of Inception's last pooling layer
_LITE0 = "efficientnet_lite0"
KID_SUBSET = 1000  # at most: all images if there are fewer


@dataclass(frozen=True)
class Networks:
    """Networks for metrics: bundled ones, and files given by the user.

    Attributes:
        detector: Pose detector, in the form of `load_detector`.
        extractors: Re-ID networks (ONNX) for additional identity scores.
        person_detectors: Person detectors (ONNX, in FastestDet's format) for detection scores.
        ssd300: Weights of torchvision's SSD300; None for the copy in torch's hub folder.
        inception: Weights of the 2015 Inception network; None for the copy in torch's hub folder.
        lpips: Weights of the protocol's torchvision network (AlexNet or VGG-16); None for the copy
            in torch's hub folder.
    """

    detector: str = "pose18"
    extractors: tuple[Path, ...] = ()
    person_detectors: tuple[Path, ...] = ()
    ssd300: Path | None = None
    inception: Path | None = None
    lpips: Path | None = None


def find_metrics(
    protocol: Protocol,
    networks: Networks,
    device: str,
    only: tuple[str, ...] = (),
    real_given: bool = True,
    skeleton: Skeleton = OPENPOSE18,
) -> MetricSet:
    """Load all available metrics, and record the reasons for unavailable ones.

    Args:
        protocol: Defines the scores against the target photos.
        networks: Networks to use. Files given explicitly must load.
        device: Device of the larger networks.
        only: Names of metrics to keep; empty for all.
        real_given: Whether real photos other than the pairs' targets are given. Protocols that
            compare with training images need them for FID and KID.
        skeleton: Skeleton of the poses. Our own networks support only people.

    Returns:
        Metrics in the order of the report.
    """
    unavailable: dict[str, str] = {}
    of_people = skeleton.name == OPENPOSE18.name
    pairs = [_scores(protocol)]
    if of_people:
        pairs += [
            _pose(networks.detector),
            _identity(
                "identity_person_embedding",
                load_person_embedding(None),
                "the bundled person_embedding",
            ),
        ]
    else:
        why = f"The network supports {OPENPOSE18.name} only; these poses are {skeleton.name}."
        pose = _pose_metric(networks.detector)
        unavailable |= dict.fromkeys((pose, *_OF_PEOPLE), why)
    pairs += [
        _identity(f"identity_{path.stem}", Extractor(path), path.name)
        for path in networks.extractors
    ]
    pairs += [
        _detection(f"detection_score_{path.stem}", FastestDet(path), path.name)
        for path in networks.person_detectors
    ]
    pairs += [_SHARPNESS, _parts(skeleton)]
    corpus: list[CorpusMetrics] = []
    lite0 = _Lite0(device)
    optional: list[
        tuple[tuple[str, ...], Path | None, Callable[[], PairMetrics | CorpusMetrics]]
    ] = [
        (("detection_score_ssd300",), networks.ssd300, lambda: _ssd300(networks.ssd300, device)),
        (("detection_score_hog",), None, _hog),
        (("lpips",), networks.lpips, lambda: _lpips(protocol, networks.lpips, device)),
        (
            ("inception_score", "mask_inception_score", "fid", "kid"),
            networks.inception,
            lambda: _inception(protocol, networks.inception, device),
        ),
        (("lpips_efficientnet_lite0",), None, lite0.to_target),
        (("fid_efficientnet_lite0", "kid_efficientnet_lite0"), None, lite0.to_real),
    ]
    for names, given, load in optional:
        if (only and not set(only) & set(names)) or names[0] in unavailable:
            continue
        try:
            each = load()
        except InputError as error:
            if given is not None:
                raise
            unavailable |= dict.fromkeys(names, str(error))
            continue
        if isinstance(each, PairMetrics):
            pairs.append(each)
        else:
            corpus.append(each)
    if corpus and protocol.real_images == "training" and not real_given:
        why = f"The protocol {protocol.name} compares with the training images; give them as real=."
        unavailable |= {name: why for part in corpus for name in part.what if _needs_real(name)}
        corpus = [left for part in corpus if (left := _without_real(part)).what]
    metric_set = MetricSet(pairs, corpus, unavailable)
    return metric_set.keep(only) if only else metric_set


def _scores(protocol: Protocol) -> PairMetrics:
    return PairMetrics(
        _SCORES, lambda scene: protocol.scores(scene.generated, scene.target, scene.mask)
    )


def _parts(skeleton: Skeleton) -> PairMetrics:
    return PairMetrics(
        {
            f"part_error_{part.name}": f"mean absolute difference in the part {part.name}, 0 to 2"
            for part in skeleton.parts
        },
        lambda scene: part_errors(scene.generated, scene.target, scene.target_pose, skeleton),
    )


def _pose(name_and_path: str) -> PairMetrics:
    detector = load_detector(name_and_path)

    def compute(scene: Scene) -> dict[str, Tensor]:
        asked = scene.target_pose
        whole = unit_length(asked, OPENPOSE18) > 0  # PCKh is relative to the torso length
        shares = torch.full((len(asked),), torch.nan, dtype=torch.float64)
        if whole.any():
            shares[whole] = pckh(scene.generated[whole], asked[whole], detector)
        return {metric: shares}

    metric, name = _pose_metric(name_and_path), name_and_path.partition(":")[0]
    told = f"share of the target joints that {name} detects within {RADIUS} torso lengths"
    return PairMetrics({metric: told}, compute)


def _pose_metric(name_and_path: str) -> str:
    """Return the name of PCKh by a detector."""
    return f"pckh_{name_and_path.partition(':')[0]}"


def _identity(name: str, extractor: Callable[[Tensor], Tensor], network: str) -> PairMetrics:
    return PairMetrics(
        {name: f"cosine of the embeddings of generated and real person, by {network}"},
        lambda scene: {name: identity(scene.generated, scene.target, extractor)},
    )


def _detection(name: str, detector: PersonDetector, network: str) -> PairMetrics:
    return PairMetrics(
        {name: f"highest person score, by {network}"},
        lambda scene: {name: detection_score(scene.generated, detector)},
    )


def _ssd300(path: Path | None, device: str) -> PairMetrics:
    from deformgan.detectors.ssd300 import SSD300

    detector = SSD300(path, device)
    return _detection(
        "detection_score_ssd300", detector, f"SSD300 trained on COCO ({detector.weights.name})"
    )


def _hog() -> PairMetrics:
    from deformgan.detectors.hog import Hog

    return _detection("detection_score_hog", Hog(), "OpenCV's HOG; no probability")


def _lpips(protocol: Protocol, path: Path | None, device: str) -> PairMetrics:
    from deformgan.backbones.lpips import LpipsFeatures
    from deformgan.metrics.lpips import lpips

    network = LpipsFeatures(protocol.lpips, path).to(device)

    def compute(scene: Scene) -> dict[str, Tensor]:
        pictures = (scene.generated.to(device), scene.target.to(device))
        return {"lpips": lpips(*pictures, network).cpu()}

    told = f"learned perceptual distance, by {network.weights.name}"
    return PairMetrics({"lpips": told}, compute)


def _inception(protocol: Protocol, path: Path | None, device: str) -> CorpusMetrics:
    from deformgan.backbones.inception_v3 import InceptionV3

    network = InceptionV3(path).to(device)

    def of_generated(scene: Scene) -> dict[str, Tensor]:
        pictures, mask = scene.generated.to(device), scene.mask.to(device)
        whole, person = network(pictures), network(pictures, mask)
        return {"pool3": whole.features, "logits": whole.logits, "mask_logits": person.logits}

    def of_real(images: Images) -> dict[str, Tensor]:
        return {"pool3": network(images.to(device)).features}

    name = network.weights.name
    return CorpusMetrics(
        {
            "inception_score": f"inception score, {name}",
            "mask_inception_score": f"inception score of the person alone, {name}",
            "fid": f"Frechet distance to the real photos, {name}",
            "kid": f"kernel distance to the real photos, {name}",
        },
        of_generated,
        of_real,
        partial(_inception_numbers, protocol.inception_splits),
    )


def _inception_numbers(splits: int, generated: Columns, real: Columns) -> dict[str, dict[str, Any]]:
    numbers: dict[str, dict[str, Any]] = {}
    for name, column in (("inception_score", "logits"), ("mask_inception_score", "mask_logits")):
        logits = torch.from_numpy(np.concatenate(list(generated(column)))).double()
        parts = min(splits, len(logits))
        value, deviation = inception_score(logits.softmax(dim=1), parts)
        numbers[name] = {"value": value, "deviation_over_parts": deviation, "parts": parts}
    return numbers | _distances(generated, real, "pool3", POOL3)


class _Lite0:
    """EfficientNet-Lite0 shared by several metrics, run once per picture."""

    def __init__(self, device: str):
        self.device = device
        self.seen: list[tuple[Images, Lite0Output]] = []

    def to_target(self) -> PairMetrics:
        """Return the metric that compares every picture with its target."""

        def compute(scene: Scene) -> dict[str, Tensor]:
            outputs = [self._look(images) for images in (scene.generated, scene.target)]
            return {"lpips_efficientnet_lite0": lpips_efficientnet_lite0(*outputs).cpu()}

        told = (
            f"distance of features at five strides, not learned, at {SIZE[0]}x{SIZE[1]} bilinear, "
            f"{self._network.weights.name}"
        )
        return PairMetrics({"lpips_efficientnet_lite0": told}, compute)

    def to_real(self) -> CorpusMetrics:
        """Return the metrics that compare all pictures with the real photos."""

        def look(images: Images) -> dict[str, Tensor]:
            return {_LITE0: self._look(images).pooled}

        network = f"at {SIZE[0]}x{SIZE[1]} bilinear, {self._network.weights.name}"
        return CorpusMetrics(
            {
                "fid_efficientnet_lite0": f"Frechet distance to the real photos, {network}",
                "kid_efficientnet_lite0": f"kernel distance to the real photos, {network}",
            },
            lambda scene: look(scene.generated),
            look,
            lambda generated, real: _distances(generated, real, _LITE0, FEATURES, f"_{_LITE0}"),
        )

    @property
    def _network(self) -> EfficientNetLite0:
        return load_efficientnet_lite0(self.device)

    def _look(self, images: Images) -> Lite0Output:
        for known, output in self.seen:
            if known is images:
                return output
        output = self._network(images)
        self.seen = [*self.seen[-1:], (images, output)]  # a scene has two batches of pictures
        return output


def _distances(
    generated: Columns, real: Columns, column: str, width: int, suffix: str = ""
) -> dict[str, dict[str, Any]]:
    """Compute FID and KID from one column of features; neither if there are fewer than 2 images."""
    moments = [_moments(features(column), width) for features in (generated, real)]
    counts = [part.count for part in moments]
    if min(counts) < 2:
        return {}
    ours, theirs = (
        torch.from_numpy(np.concatenate(list(features(column)))) for features in (generated, real)
    )
    subset = min(KID_SUBSET, *counts)
    value, deviation = kid(ours, theirs, subset_size=subset)
    return {
        f"fid{suffix}": {"value": fid(*moments), "images": counts},
        f"kid{suffix}": {
            "value": value,
            "deviation_over_subsets": deviation,
            "subset": subset,
        },
    }


def _without_real(each: CorpusMetrics) -> CorpusMetrics:
    """Remove metrics that need real photos."""

    def compute(generated: Columns, real: Columns) -> dict[str, dict[str, Any]]:
        return each.compute(generated, lambda name: iter(()))

    what = {name: told for name, told in each.what.items() if not _needs_real(name)}
    return CorpusMetrics(what, each.generated, lambda images: {}, compute)


def _needs_real(name: str) -> bool:
    return name.partition("_")[0] in ("fid", "kid")


def _moments(batches: Iterator[np.ndarray], width: int) -> FeatureMoments:
    moments = FeatureMoments(width)
    for batch in batches:
        moments.add(torch.from_numpy(batch))
    return moments


_OF_PEOPLE = ("identity_person_embedding", "detection_score_ssd300", "detection_score_hog")

_SCORES = {
    "ssim": "structural similarity to the target, 1 at best",
    "mask_ssim": "structural similarity of the person alone",
    "l1": "mean absolute difference to the target, 0 to 2",
    "psnr": "peak signal-to-noise ratio against the target, in decibels",
}

_SHARPNESS = PairMetrics(
    {"sharpness": "sharpness of the person relative to the target photo; 1 is best"},
    lambda scene: {"sharpness": relative_sharpness(scene.generated, scene.target, scene.mask)},
)
