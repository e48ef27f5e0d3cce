"""The bundled person embedding: its vectors, its file, people that it has never seen."""

import hashlib
import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file

from deformgan.backbones.person_embedding import (
    BATCH,
    BUNDLED,
    KIND,
    SIZE,
    PersonEmbedding,
    PersonEmbeddingConfig,
    load_person_embedding,
)
from deformgan.errors import InputError

TINY = PersonEmbeddingConfig(widths=(4, 4, 6, 8), blocks=(1, 0, 1), stripes=2, features=10)


@pytest.fixture(scope="module")
def bundled():
    return load_person_embedding()


@pytest.fixture(scope="module")
def views():
    """Two photos each of a dozen rendered people, whole body from the front and from behind."""
    from deformgan.datasets.bundled_people import bundled_people

    people = bundled_people()
    return [
        torch.stack([torch.from_numpy(photos[view].photo) for photos in people]).permute(0, 3, 1, 2)
        for view in (0, 2)
    ]


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    network = PersonEmbedding(TINY)
    for _ in range(3):  # norms that do something
        network.describe(torch.rand(4, 3, *SIZE) * 2 - 1)
    return network.eval()


@pytest.fixture
def tiny_file(tiny, tmp_path):
    path = tmp_path / "tiny.safetensors"
    described = {
        "kind": KIND,
        "config": json.dumps(asdict(TINY)),
        "metadata": json.dumps({"terms": "none"}),
    }
    state = tiny.state_dict()
    save_file(
        {
            name: value.half() if value.is_floating_point() else value
            for name, value in state.items()
        },
        path,
        described,
    )
    return path


def photos(count, size=SIZE, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, 3, *size), generator=random, dtype=torch.uint8)


def test_vectors_have_length_one_and_the_mirrored_photo_has_the_same(tiny):
    images = photos(5)
    vectors = tiny(images)
    assert vectors.shape == (5, 10)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(5))
    torch.testing.assert_close(tiny(images.flip(-1)), vectors)


def test_a_vector_is_the_mean_of_the_photo_and_its_mirror(tiny):
    images = photos(3)
    pixels = images.float() / 127.5 - 1
    one, other = (F.normalize(tiny.describe(view), dim=1) for view in (pixels, pixels.flip(3)))
    torch.testing.assert_close(tiny(images), F.normalize(one + other, dim=1))


def test_what_else_is_in_the_batch_changes_nothing(tiny):
    images = photos(BATCH + 3)
    vectors = tiny(images)
    for row in (0, BATCH - 1, BATCH, BATCH + 2):
        torch.testing.assert_close(tiny(images[[row]])[0], vectors[row], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [(256, 128), (256, 256), (96, 80), (40, 20)])
def test_other_sizes_are_what_pillow_makes_of_them(tiny, size):
    images = photos(2, (8, 4)).repeat_interleave(size[0] // 8, 2).repeat_interleave(size[1] // 4, 3)
    resized = []
    for image in images:
        picture = Image.fromarray(image.permute(1, 2, 0).numpy())
        resized.append(np.array(picture.resize(SIZE[::-1], Image.Resampling.BILINEAR)))
    expected = tiny(torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2))
    # Pillow rounds to whole numbers.
    assert (tiny(images) * expected).sum(dim=1).min() > 0.9999


def test_describe_has_a_gradient_and_the_call_has_none(tiny):
    pixels = torch.rand(2, 3, *SIZE, requires_grad=True)
    tiny.describe(pixels).sum().backward()
    assert pixels.grad is not None
    assert pixels.grad.abs().sum() > 0
    assert not tiny(photos(2)).requires_grad


def test_a_file_gives_the_network_that_was_saved(tiny, tiny_file):
    loaded = load_person_embedding(tiny_file)
    assert loaded.config == TINY
    assert not loaded.training
    assert {value.dtype for value in loaded.parameters()} == {torch.float32}
    assert loaded.metadata == {"terms": "none"}
    assert loaded.sha256 == hashlib.sha256(tiny_file.read_bytes()).hexdigest()
    images = photos(4)
    # Rounded to half precision.
    assert (loaded(images) * tiny(images)).sum(dim=1).min() > 0.999


def test_a_file_that_holds_no_embedding_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_person_embedding(tmp_path / "nothing.safetensors")
    (tmp_path / "x.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="not a safetensors file"):
        load_person_embedding(tmp_path / "x.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "y.safetensors")
    with pytest.raises(InputError, match="holds no person embedding"):
        load_person_embedding(tmp_path / "y.safetensors")


def test_bundled_weights_are_small_and_say_where_they_come_from(bundled):
    assert BUNDLED.stat().st_size <= 2_000_000
    assert "Market-1501" in bundled.metadata["terms"]
    assert bundled.metadata["held_out"]["rank1"] > 0.6
    assert bundled.sha256 == hashlib.sha256(BUNDLED.read_bytes()).hexdigest()


def test_rendered_people_are_found_again_from_behind(bundled, views):
    front, back = (bundled(photos) for photos in views)
    cosine = front @ back.T
    assert (cosine.argmax(dim=1) == torch.arange(len(front))).float().mean() >= 0.75
    strangers = cosine[~torch.eye(len(front), dtype=torch.bool)]
    assert cosine.diagonal().mean() > strangers.mean() + 0.3


def test_a_blurred_photo_stays_nearer_to_the_person_than_a_stranger_is(bundled, views):
    front = views[0]
    small = F.avg_pool2d(front.float(), 2)
    blurred = F.interpolate(small, front.shape[2:], mode="bilinear").round().to(torch.uint8)
    vectors = bundled(front)
    cosine = bundled(blurred) @ vectors.T
    assert torch.equal(cosine.argmax(dim=1), torch.arange(len(front)))


def test_finds_people_of_market1501_whom_it_never_saw(bundled, market1501):
    from deformgan.datasets.market1501 import Market1501
    from tools.person_embedding import score

    everybody = Market1501(market1501, split="test")
    some = everybody.of_people(sorted(set(everybody.identities))[::4])
    # Among all 100 people it is lower: docs/model-card.md.
    assert score(bundled, some).means()["rank1"] > 0.8
