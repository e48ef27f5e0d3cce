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
from deformgan.datasets.market1501 import Market1501
from deformgan.datasets.synthetic import Synthetic
from deformgan.detectors.pose18 import decode
from deformgan.files import write_safetensors
from deformgan.heatmap import render_heatmaps
from deformgan.photo_file import read_photo
from deformgan.pixels import to_float
from deformgan.pose import Pose
from deformgan.training.engine import Terms, run_steps
from deformgan.training.launch import open_fabric
from deformgan.training.records import Records
from tools.pose18_crops import SIZE, TORSO, CropBatches, Crops, People
from tools.student import Ahead, Student, read_average, show

SIGMA = 1.25  # of a joint's Gaussian, in cells
PERSON_SIGMA = 1.75
WARM_UP = 300  # steps in which the learning rate rises
NUM_HELD_OUT = 50  # identities that choose between runs and calibrate; never trained on
TERMS = (
    "trained on Market-1501 (Zheng et al., ICCV 2015; academic research only) and rendered people"
)
GRID = (SIZE[0] // STRIDE, SIZE[1] // STRIDE)


@dataclass(frozen=True)
class Pose18Training:
    """A run.

    Attributes:
        steps: How many.
        market, rendered, wide, empty: How many crops of each kind make up a batch.
        learning_rate: At its highest; it falls to 0 along a half cosine.
        weight_decay: Of AdamW.
        ema: Decay of the averaged weights.
        gentle_from: From this share of the steps on crops are spoilt half as much.
        seed: Of everything.
        log_every: Steps between lines of `metrics.jsonl`.
        save_every: Steps between checkpoints and scores of the people held out.
        keep: How many of the last checkpoints stay.
    """

    steps: int = 13_000
    market: int = 15
    rendered: int = 3
    wide: int = 9
    empty: int = 5
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    ema: float = 0.999
    gentle_from: float = 0.6
    seed: int = 0
    log_every: int = 50
    save_every: int = 250
    keep: int = 1

    @property
    def batch_size(self) -> int:
        """Crop per step."""
        return self.market + self.rendered + self.wide + self.empty


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
    rendered: Path,
    wide: Path,
    empty: Path,
    out: Path,
    config: Pose18Training = Pose18Training(),
    threads: int = 1,
) -> None:
    """Train the network, going on where `out` was left.

    A batch depends only on seed and step, so a resumed run equals an uninterrupted one. Scores of
    held-out people are only printed: the result is the last averaged weights, not the best.

    Args:
        market: Market-1501 with the field's annotation; only its training identities are read.
        rendered: People rendered by `deformgan data synthesize`.
        wide: The same with `--framing wide --size 160x128`.
        empty: A folder of photos of one size without people.
        out: The run's folder; created.
        config: The run.
        threads: Of torch; the next crops are made by one more.
    """
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    real = Market1501(market)
    learn, check = split_held_out(real)
    check = check[::2]
    batches = open_crops(real, learn, rendered, wide, empty, config)
    torch.manual_seed(config.seed)
    network = Pose18Network(Pose18Config()).to(memory_format=torch.channels_last)
    student = Student(network, config, WARM_UP)

    def save(done: int, records: Records) -> None:
        found = score(student.average.module, real.images[check], real.poses[check])
        print(done, found, flush=True)

    with ThreadPoolExecutor(1) as helper:
        crops_of_step = Ahead(batches, helper)

        def step(number: int) -> Terms:
            crops = crops_of_step[number]
            images = crops.images.contiguous(memory_format=torch.channels_last)
            loss = pose18_loss(network(images), crops)
            student.move(loss, number)
            return {"loss": loss.detach()}

        run_steps(
            config,
            student,
            out,
            step,
            fabric=open_fabric(torch.device("cpu")),
            data=[],
            describe=lambda number: f"of step {number + 1}",
            save=save,
            resume=True,
            report=show,
        )


def open_crops(
    real: Market1501, learn: Tensor, rendered: Path, wide: Path, empty: Path, config: Pose18Training
) -> CropBatches:
    """Open the training data.

    Args:
        real: Market-1501.
        learn: Positions of the images to learn from.
        rendered: See `train_pose18`, like all that follows.
        wide: With masks, so that people can be put in front of something else.
        empty: Without people.
        config: How many of each make up a batch.
    """
    drawn, cut = Synthetic(rendered), Synthetic(wide)
    torso = cut.poses.visible[:, TORSO].sum(dim=1) >= 2
    people = [
        People(real.images[learn], real.poses[learn]),
        People(drawn.images, drawn.poses),
        People(
            cut.images[torso], cut.poses[torso], None if cut.masks is None else cut.masks[torso]
        ),
    ]
    return CropBatches(
        people,
        [config.market, config.rendered, config.wide],
        read_empty(empty),
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
