"""InceptionV3 with random weights in a file."""

import sys

import pytest
import torch

from deformgan.backbones import inception_v3
from deformgan.backbones.inception_v3 import InceptionV3
from deformgan.errors import InputError
from deformgan.metrics.inception_score import inception_score

outside = pytest.importorskip(
    "torch_fidelity.feature_extractor_inceptionv3", reason="needs torch-fidelity"
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """The network's layout filled with random numbers; it is built by torch-fidelity."""
    path = tmp_path_factory.mktemp("inception") / "random.pth"
    torch.manual_seed(0)

    class Unloaded(outside.FeatureExtractorInceptionV3):
        def load_state_dict(self, state):
            """Keep the random weights it was built with."""

    empty = path.with_name("empty.pth")
    torch.save({}, empty)
    network = Unloaded("x", ["2048"], feature_extractor_weights_path=empty)
    state = network.state_dict()
    state["fc.weight"] *= 20  # or all classes were equally likely
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def network(weights):
    return InceptionV3(weights)


@pytest.fixture
def small(monkeypatch):
    """Let the network enlarge images to a ninth of the pixels, in an eighth of the time."""
    monkeypatch.setattr(outside.FeatureExtractorInceptionV3, "INPUT_IMAGE_SIZE", 107)


def noise(batch=2, size=(48, 24), seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (batch, 3, *size), dtype=torch.uint8, generator=random)


def test_gives_torch_fidelitys_features_and_logits_without_bias(network, weights):
    theirs = outside.FeatureExtractorInceptionV3(
        "inception-v3-compat",
        ["2048", "logits"],
        feature_extractor_weights_path=weights,
    )
    found = network(noise())
    features, logits = theirs(noise())
    torch.testing.assert_close(found.features, features)
    torch.testing.assert_close(found.logits + theirs.fc.bias, logits, rtol=1e-5, atol=1e-5)
    assert theirs.fc.bias.abs().max() > 1e-3
    expected = found.logits.double().exp()
    torch.testing.assert_close(
        found.probabilities, expected / expected.sum(dim=1, keepdim=True), rtol=1e-9, atol=0
    )


def test_the_same_images_give_the_same_bits_and_batches_do_not_mix(network, small):
    images = noise(batch=3)
    once, again = network(images), network(images)
    assert torch.equal(once.features, again.features)
    assert torch.equal(once.logits, again.logits)
    alone = network(images[1:2])
    torch.testing.assert_close(alone.features, once.features[1:2], rtol=1e-4, atol=1e-5)


def test_what_the_mask_leaves_out_is_black(network, small):
    images = noise()
    mask = torch.zeros(2, 48, 24, dtype=torch.bool)
    mask[0, 10:30, 5:20] = mask[1] = True
    cut = images.clone()
    for row in range(48):
        for column in range(24):
            if not mask[0, row, column]:
                cut[0, :, row, column] = 0
    found = network(images, mask)
    torch.testing.assert_close(found.logits, network(cut).logits, rtol=0, atol=0)
    assert not torch.equal(found.logits[0], network(images).logits[0])


def test_mask_is_differs_from_is_by_the_mask_alone(network, small):
    images = noise(batch=4)
    everywhere = torch.ones(4, 48, 24, dtype=torch.bool)
    whole = inception_score(network(images).probabilities, splits=2)
    assert inception_score(network(images, everywhere).probabilities, splits=2) == whole
    person = everywhere.clone()
    person[:, :, :12] = False
    cut = images * person[:, None]
    masked = inception_score(network(images, person).probabilities, splits=2)
    assert masked == inception_score(network(cut).probabilities, splits=2)
    assert masked != whole


def test_another_file_is_named_as_itself(network, monkeypatch, weights):
    assert (network.weights.name, network.weights.published) == ("random", False)
    monkeypatch.setattr(inception_v3, "SHA256", network.weights.sha256)
    assert InceptionV3(weights).weights.name == "weights-inception-2015-12-05-6726825d"


def test_the_known_sum_is_that_of_the_published_name():
    assert len(inception_v3.SHA256) == 64
    assert f"-{inception_v3.SHA256[:8]}.pth" in outside.URL_INCEPTION_V3


def test_nothing_is_downloaded(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def no_network(*_args, **_kwargs):
        raise AssertionError("a download was tried")

    monkeypatch.setattr("torch.hub.download_url_to_file", no_network)
    with pytest.raises(
        InputError, match=r"give a path to weights-inception-2015-12-05-6726825d\.pth, or put"
    ):
        InceptionV3()


def test_says_which_extra_it_needs(monkeypatch, weights):
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(InputError, match='needs the extra "eval"'):
        InceptionV3(weights)


def test_refuses_a_file_of_another_network(tmp_path):
    torch.save({"fc.weight": torch.zeros(2, 2)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth is not a state dict of torch-fidelity's"):
        InceptionV3(tmp_path / "other.pth")
