"""train_person_embedding, export_person_embedding: how the bundled embedding is made.

`python -m tools.person_embedding train --help` and `... export --help` say what from.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from deformgan.backbones.person_embedding import KIND, PersonEmbedding
from deformgan.datasets.market1501 import Market1501
from deformgan.datasets.photo_set import PhotoSet
from deformgan.datasets.synthetic import Synthetic
from deformgan.files import write_safetensors
from deformgan.metrics.ranking import Ranking, first_of_each, rank_gallery
from deformgan.pose import Pose
from deformgan.training.engine import Terms, run_steps
from deformgan.training.launch import open_fabric
from deformgan.training.records import Records
from tools.person_embedding_crops import PersonBatches, PhotosOfPeople
from tools.student import Ahead, Student, read_average, show

SHARPNESS = 16.0  # of the softmax over cosines
SMOOTHING = 0.1  # of the labels
TRIPLET_SHARPNESS = 10.0
WARM_UP = 100  # steps in which the learning rate rises
NUM_HELD_OUT = 50  # identities that tell how a run goes; never trained on
TERMS = (
    "trained on Market-1501 (Zheng et al., ICCV 2015; academic research only) and rendered people"
)


@dataclass(frozen=True)
class PersonEmbeddingTraining:
    """A run.

    Attributes:
        steps: How many.
        small: For this share of the steps images have half the height and width.
        people: How many people are in a batch.
        photos: How many photos of each.
        learning_rate: At its highest; it falls to 0 along a half cosine.
        weight_decay: Of AdamW.
        ema: Decay of the averaged weights.
        seed: Of everything.
        log_every: Steps between lines of `metrics.jsonl`.
        save_every: Steps between checkpoints and scores of the people held out.
        keep: How many of the last checkpoints stay.
    """

    steps: int = 3_000
    small: float = 0.4
    people: int = 16
    photos: int = 4
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    ema: float = 0.995
    seed: int = 0
    log_every: int = 25
    save_every: int = 300
    keep: int = 1

    @property
    def batch_size(self) -> int:
        """Photos per step."""
        return self.people * self.photos


class Classes(nn.Module):
    """Classifier of the training identities: scaled cosine similarity to one vector per identity.

    Source:
        Wang et al., "NormFace", ACM Multimedia 2017: cosines, since cosines are what is used.
    """

    def __init__(self, features: int, people: int):
        super().__init__()
        self.directions = nn.Parameter(torch.randn(people, features) / features**0.5)

    def forward(self, vectors: Float[Tensor, "batch features"]) -> Float[Tensor, "batch people"]:
        """Compute logits.

        Args:
            vectors: Of length 1.
        """
        return SHARPNESS * vectors @ F.normalize(self.directions, dim=1).T


def person_embedding_loss(
    vectors: Float[Tensor, "batch features"],
    logits: Float[Tensor, "batch classes"],
    people: Int64[Tensor, "batch"],
) -> Tensor:
    """Compute the classification loss plus a batch-hard triplet loss on cosine similarities.

    Args:
        vectors: Of length 1.
        logits: Of `Classes`.
        people: Who it is.

    Source:
        The farthest photo of the same person against the nearest of another, without a margin:
        Hermans et al., "In Defense of the Triplet Loss", 2017. Theirs are Euclidean distances.
    """
    who = F.cross_entropy(logits, people, label_smoothing=SMOOTHING)
    cosine = vectors @ vectors.T
    same = people[:, None] == people
    farthest = cosine.masked_fill(~same, 2.0).amin(dim=1)
    nearest = cosine.masked_fill(same, -2.0).amax(dim=1)
    return who + F.softplus(TRIPLET_SHARPNESS * (nearest - farthest)).mean()


def score(network: nn.Module, people: PhotoSet) -> Ranking:
    """Search for every person across cameras; queries are their first photos by each camera."""
    who = number_people(people)
    before = network.training
    vectors = network.eval()(people.images)
    network.train(before)
    asks = first_of_each(who, people.cameras)
    same = who[asks][:, None] == who
    junk = same & (people.cameras[asks][:, None] == people.cameras)
    return rank_gallery(vectors[asks] @ vectors.T, same, junk)


def number_people(people: PhotoSet) -> Int64[Tensor, "photos"]:
    """Assign numbers to everybody, from 0."""
    numbers = {who: number for number, who in enumerate(sorted(set(people.identities)))}
    return torch.tensor([numbers[who] for who in people.identities])


def split_held_out(people: PhotoSet) -> tuple[PhotoSet, PhotoSet]:
    """Split off the photos of `NUM_HELD_OUT` identities for validation."""
    identities = sorted(set(people.identities))
    held_out = set(identities[:: len(identities) // NUM_HELD_OUT])
    return people.of_people(set(identities) - held_out), people.of_people(held_out)


def gather_photos(sets: list[PhotoSet]) -> PhotosOfPeople:
    """Join data sets that have no person in common."""
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
    threads: int = 1,
) -> None:
    """Train the network, going on where `out` was left.

    A batch depends only on seed and step, so a resumed run equals an uninterrupted one. Scores of
    held-out people are only printed: the result is the last averaged weights, not the best.

    Args:
        market: Market-1501 with the field's annotation; only its training identities are read.
        out: The run's folder; created.
        rendered: People rendered by `deformgan data synthesize`, learnt beside the others.
        config: The run.
        threads: Of torch; the next batch is made by one more.
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
    student = Student(network, config, WARM_UP, {"classes": classes})

    def save(done: int, records: Records) -> None:
        print(done, score(student.average.module, check).means(), flush=True)

    with ThreadPoolExecutor(1) as helper:
        batch_of_step = Ahead(batches, helper)

        def step(number: int) -> Terms:
            images, who = batch_of_step[number]
            images = images.contiguous(memory_format=torch.channels_last)
            vectors = F.normalize(network.describe(images), dim=1)
            loss = person_embedding_loss(vectors, classes(vectors), who)
            student.move(loss, number)
            return {"loss": loss.detach()}

        run_steps(
            config,
            student,
            out,
            step,
            fabric=open_fabric(torch.device("cpu")),
            data=[described],
            describe=lambda number: f"of step {number + 1}",
            save=save,
            resume=True,
            report=show,
        )


def export_person_embedding(run: Path, out: Path, market: Path) -> None:
    """Write the averaged weights of a run as the bundled file.

    Args:
        run: Its folder.
        out: A .safetensors file.
        market: As in training.
    """
    state, saved = read_average(run)
    network = PersonEmbedding()
    network.load_state_dict(state)
    _, check = split_held_out(Market1501(market))
    measured = score(network, check).means()
    print(json.dumps(measured))
    metadata = {
        "step": saved["step"],
        "recipe": {name: json.loads(value) for name, value in saved["config"].items()},
        "data": json.loads(saved["data"])[0],
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
