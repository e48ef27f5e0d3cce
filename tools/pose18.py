"""train_pose18, export_pose18: how the bundled pose detector is made.

`python -m tools.pose18 train --help` and `... export --help` say what from.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from deformgan.backbones.pose18_network import KIND, STRIDE, Pose18Config, Pose18Network
from deformgan.backbones.weights_file import read_network
from deformgan.datasets import open_dataset
from deformgan.datasets.market1501 import Market1501
from deformgan.datasets.synthetic import Synthetic
from deformgan.detectors.pose18 import decode
from deformgan.device import Precision
from deformgan.files import write_safetensors
from deformgan.heatmap import render_heatmaps
from deformgan.photo_file import read_photo
from deformgan.pixels import to_float
from deformgan.pose import Pose
from deformgan.training.engine import Terms, run_steps
from deformgan.training.launch import autocast, open_fabric
from deformgan.training.records import Records
from tools.pose18_crops import SIZE, TORSO, CropBatches, Crops, People
from tools.student import Ahead, Student, read_average, show

SIGMA = 1.25  # of a joint's Gaussian, in cells
PERSON_SIGMA = 1.75
WARM_UP = 300  # steps in which the learning rate rises
NUM_HELD_OUT = 50  # identities that choose between runs and calibrate; never trained on
TERMS = (
    "trained on Market-1501 (Zheng et al., ICCV 2015), CUHK03 (Li et al., CVPR 2014), both for "
    "academic research only, and rendered people"
)
GRID = (SIZE[0] // STRIDE, SIZE[1] // STRIDE)


@dataclass(frozen=True)
class Pose18Training:
    """A run.

    Attributes:
        steps: How many.
        market, cuhk03, rendered, empty: How many crops of each kind make up a batch.
        cut: Share of the crops of CUHK03 and of rendered people that an edge of the image cuts.
        learning_rate: At its highest; it falls to 0 along a half cosine.
        weight_decay: Of AdamW.
        ema: Decay of the averaged weights.
        gentle_from: From this share of the steps on crops are spoilt half as much.
        precision: As in `TrainConfig`.
        seed: Of everything.
        log_every: Steps between lines of `metrics.jsonl`.
        save_every: Steps between checkpoints and scores of the people held out.
        keep: How many of the last checkpoints stay.
    """

    steps: int = 12_000
    market: int = 9
    cuhk03: int = 7
    rendered: int = 12
    empty: int = 4
    cut: float = 0.4
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    ema: float = 0.999
    gentle_from: float = 0.6
    precision: Precision = "auto"
    seed: int = 0
    log_every: int = 50
    save_every: int = 250
    keep: int = 1

    @property
    def batch_size(self) -> int:
        """Crop per step."""
        return self.market + self.cuhk03 + self.rendered + self.empty


def heatmap_targets(pose: Pose, sigma: float) -> Float[Tensor, "batch joints rows columns"]:
    """Draw a Gaussian round every visible joint of a crop, in cells of the network's maps."""
    in_cells = Pose((pose.joints + 0.5) / STRIDE - 0.5, pose.visible)
    return render_heatmaps(in_cells, GRID, sigma)


def pose18_loss(logits: Float[Tensor, "batch maps rows columns"], crops: Crops) -> Tensor:
    """Compute the heat map loss: presence per cell, position over cells, and torso centre.

    The presence term calibrates the height of a peak; the position term sharpens its location.
    """
    joints, people = logits[:, :-1], logits[:, -1]
    target = heatmap_targets(crops.pose, SIGMA)
    each = F.binary_cross_entropy_with_logits(joints, target, reduction="none").sum(dim=(2, 3))
    counted = crops.pose.visible | crops.known
    presence = (each * counted).sum(dim=1).mean() / each.shape[1]
    where = target.flatten(2) / target.flatten(2).sum(dim=2, keepdim=True).clamp(min=1e-6)
    place = -(where * joints.flatten(2).log_softmax(dim=2)).sum(dim=2)
    shown = crops.pose.visible
    place = (place * shown).sum() / shown.sum().clamp(min=1)

    middles = [_middle(pose) for pose in (crops.pose, crops.other)]
    wanted = torch.stack([heatmap_targets(middle, PERSON_SIGMA)[:, 0] for middle in middles])
    person = F.binary_cross_entropy_with_logits(people, wanted.amax(dim=0), reduction="none")
    # Skip the torso-centre term for crops that show joints of a person but no torso.
    told = crops.pose.visible.sum(dim=1) == 0
    told |= middles[0].visible[:, 0]
    person = (person.sum(dim=(1, 2)) * told).mean()
    return presence + 0.5 * place + 0.5 * person


def _middle(pose: Pose) -> Pose:
    torso = pose.joints[:, TORSO].mean(dim=1, keepdim=True)
    return Pose(torso, pose.visible[:, TORSO].all(dim=1, keepdim=True))


@torch.inference_mode()
def find_joints(
    network: nn.Module, images: UInt8[Tensor, "photos 3 128 64"]
) -> tuple[Float[Tensor, "photos joints 2"], Float[Tensor, "photos joints"]]:
    """Locate the joints in whole pedestrian photos, with the heights of their peaks.

    Args:
        network: In or out of training; it is left in training.
        images: RGB.
    """
    network.eval()
    places, peaks = [], []
    for batch in images.split(64):
        padded = F.pad(to_float(batch), (16, 16, 0, 0))
        found, peak = decode(network(padded)[:, :-1])
        places.append(found - torch.tensor([16.0, 0.0]))
        peaks.append(peak)
    network.train()
    return torch.cat(places), torch.cat(peaks)


def score(network: nn.Module, images: Tensor, pose: Pose) -> dict[str, float]:
    """Measure on whole pedestrian photos of 128x64 how many joints are found within 8 px."""
    places, peaks = find_joints(network, images)
    away = (places - pose.joints).norm(dim=2)
    near = (away <= 8)[pose.visible].float().mean().item()
    very = (away <= 4)[pose.visible].float().mean().item()
    agree = ((peaks > 0) == pose.visible).float().mean().item()
    return {"pck8": near, "pck4": very, "visibility": agree}


def calibrate(
    network: Pose18Network, people: People, empties: Tensor, seed: int, num_batches: int = 40
) -> tuple[list[float], list[float], dict[str, float]]:
    """Calibrate the probability of a joint given the height of its peak.

    Args:
        network: Trained, in evaluation mode.
        people: Held out.
        empties: As in training.
        seed: Of the crops.
        num_batches: Of 32 crops, a tenth of which show nobody.

    Returns:
        Slope and offset of a logistic curve per joint (Platt's scaling), and what came of it on
        other crops of the same people: expected calibration error before and after, in ten bins.
    """
    batches = CropBatches([people], [29], empties, 3, seed)
    peaks, there = [], []
    with torch.inference_mode():
        for step in range(2 * num_batches):
            crops = batches[step]
            heat = network(crops.images)[:, :-1]
            peaks.append(decode(heat)[1].masked_fill(~crops.known, torch.nan))
            there.append(crops.pose.visible)
    logits, labels = torch.cat(peaks), torch.cat(there).float()
    half = len(logits) // 2
    slope = torch.ones(logits.shape[1], requires_grad=True)
    offset = torch.zeros(logits.shape[1], requires_grad=True)
    fit = torch.optim.LBFGS([slope, offset], max_iter=200, line_search_fn="strong_wolfe")
    known = ~logits.isnan()
    filled = logits.nan_to_num()

    def loss() -> Tensor:
        fit.zero_grad()
        each = F.binary_cross_entropy_with_logits(
            (slope * filled + offset)[:half], labels[:half], reduction="none"
        )
        total = each[known[:half]].mean()
        total.backward()
        return total

    fit.step(loss)
    slope, offset = slope.detach(), offset.detach()
    check = known.clone()
    check[:half] = False
    before = _calibration_error(filled[check].sigmoid(), labels[check])
    scores = (slope * filled + offset).sigmoid()
    after = _calibration_error(scores[check], labels[check])
    agree = ((scores >= 0.5) == labels.bool())[check].float().mean().item()
    return slope.tolist(), offset.tolist(), {"before": before, "after": after, "agree": agree}


def _calibration_error(scores: Tensor, labels: Tensor) -> float:
    bins = (scores * 10).long().clamp(max=9)
    total = 0.0
    for number in range(10):
        inside = bins == number
        if inside.any():
            gap = (scores[inside].mean() - labels[inside].mean()).abs()
            total += (gap * inside.float().mean()).item()
    return total


def export_pose18(run: Path, out: Path, market: Path, empty: Path, seed: int = 0) -> None:
    """Write the averaged and calibrated weights of a run as the bundled file.

    Args:
        run: Its folder.
        out: A .safetensors file.
        market: As in training.
        empty: As in training.
        seed: Of the run.
    """
    state, saved = read_average(run)
    network = Pose18Network(Pose18Config())
    network.load_state_dict(state)
    network.eval()
    real = Market1501(market)
    _, check = split_held_out(real)
    held_out = People(real.images[check], real.poses[check])
    slope, offset, errors = calibrate(network, held_out, read_empty(empty), seed + 1)
    measured = score(network, held_out.images, held_out.pose) | {
        f"calibration_{name}": value for name, value in errors.items()
    }
    metadata = {
        "calibration": [slope, offset],
        "step": saved["step"],
        "held_out": measured,
        "terms": TERMS,
    }
    print(json.dumps(measured))
    weights = {
        name: value.half().contiguous() if value.is_floating_point() else value
        for name, value in state.items()
    }
    described = {
        "kind": KIND,
        "config": json.dumps(asdict(network.config)),
        "metadata": json.dumps(metadata),
    }
    write_safetensors(out, weights, described)


def split_held_out(real: Market1501) -> tuple[Tensor, Tensor]:
    """Split positions of images: for training, and of `NUM_HELD_OUT` identities."""
    identities = sorted(set(real.identities))
    held_out = set(identities[:: len(identities) // NUM_HELD_OUT])
    enough = real.poses.visible.sum(dim=1) >= 4
    kept = torch.tensor([who in held_out for who in real.identities])
    return (enough & ~kept).nonzero()[:, 0], (enough & kept).nonzero()[:, 0]


def train_pose18(
    market: Path,
    cuhk03: Path,
    rendered: tuple[Path, ...],
    empty: Path,
    out: Path,
    init: Path | None = None,
    config: Pose18Training = Pose18Training(),
    threads: int = 1,
) -> None:
    """Train the network, going on where `out` was left.

    A batch depends only on seed and step, so a resumed run equals an uninterrupted one. Scores of
    held-out people are only printed: the result is the last averaged weights, not the best.

    Args:
        market: Market-1501 with the field's annotation; only its training identities are read.
        cuhk03: CUHK03 with joints by consensus; only its training people are read.
        rendered: Folders of people rendered by `deformgan data synthesize`, with equal shares.
        empty: A folder of photos of one size without people, such as a rendered set's backgrounds.
        out: The run's folder; created.
        init: Weights to start from, as `export` writes them; by default random ones.
        config: The run.
        threads: Of torch; the next crops are made by one more.
    """
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    real = Market1501(market)
    learn, check = split_held_out(real)
    check = check[::2]
    batches = open_crops(real, learn, cuhk03, rendered, read_empty(empty), config)
    torch.manual_seed(config.seed)
    network = Pose18Network(Pose18Config())
    if init is not None:
        network.load_state_dict(read_network(init, KIND, "pose18 detector")[0])
    network = network.to(memory_format=torch.channels_last)
    student = Student(network, config, WARM_UP)
    fabric = open_fabric(torch.device("cpu"))

    def save(done: int, records: Records) -> None:
        found = score(student.average.module, real.images[check], real.poses[check])
        print(done, found, flush=True)

    with ThreadPoolExecutor(1) as helper:
        crops_of_step = Ahead(batches, helper)

        def step(number: int) -> Terms:
            crops = crops_of_step[number]
            images = crops.images.contiguous(memory_format=torch.channels_last)
            with autocast(config, fabric.device):
                logits = network(images)
            loss = pose18_loss(logits.float(), crops)
            student.move(loss, number)
            return {"loss": loss.detach()}

        run_steps(
            config,
            student,
            out,
            step,
            fabric=fabric,
            data=[],
            describe=lambda number: f"of step {number + 1}",
            save=save,
            resume=True,
            report=show,
        )


def open_crops(
    real: Market1501,
    learn: Tensor,
    cuhk03: Path,
    rendered: tuple[Path, ...],
    empties: Tensor,
    config: Pose18Training,
) -> CropBatches:
    """Open the training data.

    Args:
        real: Market-1501.
        learn: Positions of the images to learn from.
        cuhk03: See `train_pose18`.
        rendered: See `train_pose18`; with masks, so that people can be put in front of something
            else.
        empties: Images without people.
        config: How many of each make up a batch.
    """
    consensus = open_dataset(cuhk03)
    usable = consensus.poses.visible.sum(dim=1) >= 4
    people = [
        People(real.images[learn], real.poses[learn]),
        People(consensus.images[usable], consensus.poses[usable], complete=False, cut=config.cut),
    ]
    counts = [config.market, config.cuhk03]
    for number, folder in enumerate(rendered):
        drawn = Synthetic(folder)
        torso = drawn.poses.visible[:, TORSO].sum(dim=1) >= 2
        masks = None if drawn.masks is None else drawn.masks[torso]
        people.append(People(drawn.images[torso], drawn.poses[torso], masks, cut=config.cut))
        counts.append((config.rendered + number) // len(rendered))
    return CropBatches(
        people,
        counts,
        empties,
        config.empty,
        config.seed,
        gentle_from=round(config.gentle_from * config.steps),
    )


def read_empty(folder: Path) -> Tensor:
    """Read photos without people, all of one size, as uint8 (N, 3, height, width)."""
    photos = [read_photo(path) for path in sorted(folder.iterdir())]
    return torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2).contiguous()


if __name__ == "__main__":
    import tyro

    tyro.extras.subcommand_cli_from_dict({"train": train_pose18, "export": export_pose18})
