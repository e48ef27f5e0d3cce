"""train_person_embedding, export_person_embedding: training of the bundled person embedding.

`python -m tools.person_embedding train --help` and `... export --help` say what from.
"""

import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from deformgan.backbones.person_embedding import KIND, PersonEmbedding
from deformgan.datasets.market1501 import Market1501
from deformgan.datasets.photo_set import PhotoSet
from deformgan.datasets.synthetic import Synthetic
from deformgan.files import write_safetensors
from deformgan.metrics.ranking import Ranking, first_of_each, rank_gallery
from deformgan.pose import Pose
from deformgan.training.checkpoints import save_state
from tools.person_embedding_crops import PersonBatches, PhotosOfPeople

SHARPNESS = 16.0  # scale of the cosines in the softmax
SMOOTHING = 0.1  # label smoothing
TRIPLET_SHARPNESS = 10.0
WARM_UP = 100  # steps of learning rate warm-up
LOG_EVERY = 25
NUM_HELD_OUT = 50  # identities for validation; never trained on
TERMS = (
    "trained on Market-1501 (Zheng et al., ICCV 2015; academic research only) and rendered people"
)


@dataclass(frozen=True)
class PersonEmbeddingTraining:
    """Configuration of a run.

    Attributes:
        steps: Number of steps.
        small: Share of the steps, from the first, with images of half the height and width.
        people: People per batch.
        photos: Photos per person in a batch.
        learning_rate: Peak learning rate; it falls to 0 along a half cosine.
        weight_decay: AdamW's weight decay.
        ema: Decay of the averaged weights.
        seed: Random seed.
    """

    steps: int = 3_000
    small: float = 0.4
    people: int = 16
    photos: int = 4
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    ema: float = 0.995
    seed: int = 0


class Classes(nn.Module):
    """Classifier of the training identities: one direction for each.

    Source:
        Wang et al., "NormFace", ACM Multimedia 2017: cosines, as in the use of the embedding.
    """

    def __init__(self, features: int, people: int):
        super().__init__()
        self.directions = nn.Parameter(torch.randn(people, features) / features**0.5)

    def forward(self, vectors: Float[Tensor, "batch features"]) -> Float[Tensor, "batch people"]:
        """Compute logits.

        Args:
            vectors: Unit-length embeddings.
        """
        return SHARPNESS * vectors @ F.normalize(self.directions, dim=1).T


def person_embedding_loss(
    vectors: Float[Tensor, "batch features"],
    logits: Float[Tensor, "batch classes"],
    people: Int64[Tensor, "batch"],
) -> Tensor:
    """Compute the identity classification loss plus the triplet loss within the batch.

    Args:
        vectors: Unit-length embeddings.
        logits: Output of `Classes`.
        people: Number of the person in each photo.

    Source:
        The farthest photo of the same person against the nearest of another, without a margin:
        Hermans et al., "In Defense of the Triplet Loss", 2017. Theirs uses Euclidean distances.
    """
    who = F.cross_entropy(logits, people, label_smoothing=SMOOTHING)
    cosine = vectors @ vectors.T
    same = people[:, None] == people
    farthest = cosine.masked_fill(~same, 2.0).amin(dim=1)
    nearest = cosine.masked_fill(same, -2.0).amax(dim=1)
    return who + F.softplus(TRIPLET_SHARPNESS * (nearest - farthest)).mean()


def score(network: nn.Module, people: PhotoSet) -> Ranking:
    """Rank the photos of other cameras for the first photo of every person by every camera."""
    who = number_people(people)
    before = network.training
    vectors = network.eval()(people.images)
    network.train(before)
    asks = first_of_each(who, people.cameras)
    same = who[asks][:, None] == who
    junk = same & (people.cameras[asks][:, None] == people.cameras)
    return rank_gallery(vectors[asks] @ vectors.T, same, junk)


def number_people(people: PhotoSet) -> Int64[Tensor, "photos"]:
    """Assign a number from 0 to every person, and return it for every photo."""
    numbers = {who: number for number, who in enumerate(sorted(set(people.identities)))}
    return torch.tensor([numbers[who] for who in people.identities])


def split_held_out(people: PhotoSet) -> tuple[PhotoSet, PhotoSet]:
    """Split into training photos and those of `NUM_HELD_OUT` identities."""
    identities = sorted(set(people.identities))
    held_out = set(identities[:: len(identities) // NUM_HELD_OUT])
    return people.of_people(set(identities) - held_out), people.of_people(held_out)


def gather_photos(sets: list[PhotoSet]) -> PhotosOfPeople:
    """Concatenate data sets, whose identities are distinct from each other's."""
    names = [(number, who) for number, photos in enumerate(sets) for who in photos.identities]
    numbers = {name: person for person, name in enumerate(sorted(set(names)))}
    return PhotosOfPeople(
        torch.cat([photos.images for photos in sets]),
        Pose.cat([photos.poses for photos in sets]),
        torch.tensor([numbers[name] for name in names]),
    )


def train_person_embedding(
    market: Path,
    out: Path,
    rendered: Path | None = None,
    config: PersonEmbeddingTraining = PersonEmbeddingTraining(),
    save_every: int = 100,
    threads: int = 1,
    score_every: int = 300,
) -> None:
    """Train the network, resuming from `out` if it has a checkpoint.

    Batches depend only on the seed and the step, so an interrupted run ends like an uninterrupted
    one. Validation results are only printed; the last averaged weights are the result.

    Args:
        market: Market-1501 with the public pose annotation; only its training identities are read.
        out: The run's folder; created.
        rendered: Additional people, rendered by `deformgan data synthesize`.
        config: The run.
        save_every: Steps between checkpoints.
        threads: Torch's threads; one more prepares the next batch.
        score_every: Steps between evaluations on the held-out people.
    """
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    learn, check = split_held_out(Market1501(market))
    sets = {"market1501": learn} | ({} if rendered is None else {"rendered": Synthetic(rendered)})
    described = {
        name: {"people": len(set(part.identities)), "photos": len(part)}
        for name, part in sets.items()
    }
    photos = gather_photos(list(sets.values()))
    small_for = round(config.small * config.steps)
    batches = PersonBatches(photos, config.people, config.photos, config.seed, small_for)
    torch.manual_seed(config.seed)
    network = PersonEmbedding().to(memory_format=torch.channels_last)
    classes = Classes(network.config.features, len(photos.rows))
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.0), use_buffers=True)
    optimizer = torch.optim.AdamW(
        [*network.parameters(), *classes.parameters()],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        fused=True,
    )
    first, path = 0, out / "checkpoint.pt"
    if path.is_file():
        saved = torch.load(path, weights_only=True)
        network.load_state_dict(saved["network"])
        classes.load_state_dict(saved["classes"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        first = saved["step"]
    started, total = time.process_time(), 0.0
    helper = ThreadPoolExecutor(1)  # prepares the next batch during a step
    upcoming = helper.submit(batches.__getitem__, first)
    for step in range(first, config.steps):
        rate = 0.5 * (1 + math.cos(math.pi * step / config.steps)) * min(1, (step + 1) / WARM_UP)
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * rate
        images, who = upcoming.result()
        upcoming = helper.submit(batches.__getitem__, step + 1)
        images = images.contiguous(memory_format=torch.channels_last)
        vectors = F.normalize(network.describe(images), dim=1)
        loss = person_embedding_loss(vectors, classes(vectors), who)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        # A short average at first, to forget the random initialization.
        average.multi_avg_fn = get_ema_multi_avg_fn(min(config.ema, (1 + step) / (10 + step)))
        average.update_parameters(network)
        total += loss.item()
        done = step + 1
        if done % LOG_EVERY == 0:
            speed = (done - first) * len(who) / (time.process_time() - started)
            print(f"{done} loss {total / LOG_EVERY:.4f} {speed:.1f}/s of a core", flush=True)
            total = 0.0
        if done % save_every == 0 or done == config.steps:
            state = {
                "network": network.state_dict(),
                "classes": classes.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": done,
                "recipe": asdict(config),
                "data": described,
            }
            save_state(path, state)
        if done % score_every == 0 or done == config.steps:
            print(done, score(average.module, check).means(), flush=True)
    helper.shutdown()


def export_person_embedding(run: Path, out: Path, market: Path) -> None:
    """Write the averaged weights of a run as the file bundled with the package.

    Args:
        run: The run's folder.
        out: A .safetensors file.
        market: As in training.
    """
    saved = torch.load(run / "checkpoint.pt", weights_only=True)
    network = PersonEmbedding()
    state = {
        name.removeprefix("module."): value
        for name, value in saved["average"].items()
        if name.startswith("module.")
    }
    network.load_state_dict(state)
    _, check = split_held_out(Market1501(market))
    measured = score(network, check).means()
    print(json.dumps(measured))
    metadata = {
        "step": saved["step"],
        "recipe": saved["recipe"],
        "data": saved["data"],
        "held_out": measured,
        "terms": TERMS,
    }
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


if __name__ == "__main__":
    import tyro

    tyro.extras.subcommand_cli_from_dict(
        {"train": train_person_embedding, "export": export_person_embedding}
    )
