"""How the bundled embedding is trained: loss, people held out, a run on a handful of people."""

import json

import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from deformgan.backbones.person_embedding import PersonEmbedding, load_person_embedding
from deformgan.datasets.bundled_people import FOLDER, bundled_people
from deformgan.datasets.market1501 import Market1501
from deformgan.pose import Pose
from deformgan.pose_formats import Annotations, write_annotation_csv
from deformgan.training.checkpoints import checkpoints, save_checkpoint
from tools import person_embedding
from tools.person_embedding import (
    SHARPNESS,
    SMOOTHING,
    TRIPLET_SHARPNESS,
    Classes,
    PersonEmbeddingTraining,
    export_person_embedding,
    gather_photos,
    person_embedding_loss,
    score,
    split_held_out,
    train_person_embedding,
)


def test_the_loss_matches_its_definition_person_by_person():
    torch.manual_seed(0)
    who = torch.tensor([0, 0, 2, 2, 2, 1])
    vectors = F.normalize(torch.randn(6, 5), dim=1)
    classes = Classes(5, 4)
    directions = F.normalize(classes.directions.detach(), dim=1)
    asked, triplets = [], []
    for mine in range(6):
        logits = torch.stack([SHARPNESS * vectors[mine] @ one for one in directions])
        wanted = torch.full((4,), SMOOTHING / 4)
        wanted[who[mine]] += 1 - SMOOTHING
        asked.append(-(wanted * (logits - logits.logsumexp(0))).sum())
        cosines = [(vectors[mine] @ vectors[other]).item() for other in range(6)]
        farthest = min(cosines[other] for other in range(6) if who[other] == who[mine])
        nearest = max(cosines[other] for other in range(6) if who[other] != who[mine])
        triplets.append(F.softplus(torch.tensor(TRIPLET_SHARPNESS * (nearest - farthest))))
    expected = torch.stack(asked).mean() + torch.stack(triplets).mean()
    found = person_embedding_loss(vectors, classes(vectors), who)
    torch.testing.assert_close(found, expected)


def test_the_loss_is_least_where_everybody_is_by_himself():
    who = torch.arange(4).repeat_interleave(2)
    classes = Classes(8, 4)
    with torch.no_grad():
        classes.directions.copy_(torch.eye(4, 8))
    apart = torch.eye(4, 8).repeat_interleave(2, dim=0)
    best = person_embedding_loss(apart, classes(apart), who)
    for wrong in (apart.roll(1, dims=0), apart[:1].expand(8, -1), -apart):
        assert person_embedding_loss(wrong, classes(wrong), who) > best


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The bundled people as a data set; of those to be tested on there are no pictures at all."""
    root = tmp_path_factory.mktemp("person_embedding")
    (root / "bounding_box_train").mkdir()
    names, poses = [], []
    for number, views in enumerate(bundled_people()):
        for view, photo in enumerate(views):
            names.append(f"{number + 1:04d}_c{view + 1}s1_000001_00.png")
            poses.append(photo.pose)
            path = root / "bounding_box_train" / names[-1]
            if number < 10:
                Image.fromarray(photo.photo).save(path)
            else:
                path.write_bytes(b"whoever reads this looks at the test set")
    write_annotation_csv(root / "annotation.csv", Annotations(names, Pose.cat(poses)))
    everybody = [f"{number:04d}" for number in range(1, 13)]
    parts = {"train": everybody[:10], "test": everybody[10:]}
    (root / "identity-split.json").write_text(json.dumps(parts))
    return root


def run(data, out, steps, monkeypatch, rendered=None, **others):
    monkeypatch.setattr(person_embedding, "NUM_HELD_OUT", 3)
    config = PersonEmbeddingTraining(steps=steps, people=3, photos=2, small=0.5, **others)
    train_person_embedding(data, out, rendered, config)
    return torch.load(checkpoints(out)[-1], weights_only=True)


def test_nobody_held_out_is_learnt_from(data, monkeypatch):
    monkeypatch.setattr(person_embedding, "NUM_HELD_OUT", 3)
    everybody = Market1501(data)
    learn, check = split_held_out(everybody)
    assert not set(learn.identities) & set(check.identities)
    assert set(learn.identities) | set(check.identities) == set(everybody.identities)
    assert len(set(check.identities)) in (3, 4)


def test_people_of_two_data_sets_are_different_people(data):
    one = Market1501(data)
    both = gather_photos([one, one])
    people = len(set(one.identities))
    assert len(both.rows) == 2 * people
    assert torch.equal(both.people[len(one) :], both.people[: len(one)] + people)
    assert sorted(torch.cat(both.rows).tolist()) == list(range(2 * len(one)))


def test_a_network_that_knows_everybody_scores_one(data):
    people = Market1501(data)
    who = {name: number for number, name in enumerate(sorted(set(people.identities)))}

    class Knows(PersonEmbedding):
        def forward(self, images):
            return torch.eye(len(who))[[who[name] for name in people.identities]]

    network = Knows()
    for training in (True, False):
        assert score(network.train(training), people).means()["rank1"] == 1.0
        assert network.training == training
    ranking = score(network, people)
    assert len(ranking.asked) == len(people)
    assert ranking.means()["rank1"] == ranking.means()["map"] == 1.0


def test_a_run_that_was_broken_off_ends_like_an_unbroken_one(data, tmp_path, monkeypatch):
    whole = run(data, tmp_path / "whole", 4, monkeypatch)

    class BrokenOffError(Exception):
        pass

    def break_off(*arguments):
        save_checkpoint(*arguments)
        raise BrokenOffError

    # The third step never comes: the run dies after its checkpoint of two.
    with monkeypatch.context() as patch:
        patch.setattr("deformgan.training.engine.save_checkpoint", break_off)
        with pytest.raises(BrokenOffError):
            run(data, tmp_path / "parts", 4, monkeypatch, save_every=2)
    resumed = run(data, tmp_path / "parts", 4, monkeypatch)
    assert resumed["step"] == whole["step"] == 4
    for part in ("network", "classes", "average"):
        for name, value in whole[part].items():
            assert torch.equal(resumed[part][name], value), name


def test_an_exported_run_is_an_embedding(data, tmp_path, monkeypatch, capsys):
    saved = run(data, tmp_path / "run", 2, monkeypatch, rendered=FOLDER)
    out = tmp_path / "embedding.safetensors"
    capsys.readouterr()
    export_person_embedding(tmp_path / "run", out, data)
    measured = json.loads(capsys.readouterr().out)
    network = load_person_embedding(out)
    assert network.metadata["held_out"] == measured
    assert network.metadata["step"] == saved["step"] == 2
    assert network.metadata["recipe"]["people"] == 3
    assert network.metadata["data"]["rendered"] == {"people": 75, "photos": 300}
    assert network.metadata["data"]["market1501"]["people"] == len(
        set(split_held_out(Market1501(data))[0].identities)
    )
    assert "Market-1501" in network.metadata["terms"]
    images = torch.from_numpy(bundled_people()[0][0].photo).permute(2, 0, 1)[None]
    averaged = PersonEmbedding()
    averaged.load_state_dict(
        {name[7:]: value for name, value in saved["average"].items() if name.startswith("module.")}
    )
    assert (network(images) * averaged.eval()(images)).sum() > 0.999
