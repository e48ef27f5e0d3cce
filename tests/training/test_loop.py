"""A run: what it writes, and going on as if it had never stopped."""

import json
import shutil
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from deformgan.checkpoint import load_generator
from deformgan.datasets.batches import PairBatches
from deformgan.errors import InputError
from deformgan.files import written_beside
from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import GeneratorConfig
from deformgan.pose import Pose
from deformgan.training.checkpoints import checkpoints
from deformgan.training.config import LossWeights, TrainConfig
from deformgan.training.engine import DivergedError
from deformgan.training.gan import Gan
from deformgan.training.launch import open_fabric
from deformgan.training.loop import train

CPU = torch.device("cpu")
OPTIONS = {"samples", "start", "report", "on_step"}
SIZE = (32, 16)
CONFIG = TrainConfig(
    recipe="test",
    generator=GeneratorConfig(
        encoder_widths=(4, 6, 8), decoder_widths=(8, 6), warped_levels=2, heatmap_sigma=2.0
    ),
    discriminator=DiscriminatorConfig(widths=(4, 6), heatmap_sigma=2.0),
    weights=LossWeights(l1=100.0),
    batch_size=2,
    steps=6,
    learning_rate=1e-3,
    ema_decay=0.5,
    flip=True,
    log_every=2,
    save_every=3,
)


@dataclass
class Images:
    """A data set in memory, as `PairedImages` asks."""

    images: Tensor
    poses: Pose
    pairs: Tensor
    names: tuple[str, ...] = ("a", "b", "c", "d", "e")


@pytest.fixture
def batches(people) -> PairBatches:
    """Noise with the poses of people, in pairs."""
    random = torch.Generator().manual_seed(2)
    images = torch.randint(0, 256, (5, 3, *SIZE), generator=random, dtype=torch.uint8)
    pairs = torch.tensor([(i, j) for i in range(5) for j in range(5) if i != j])
    return PairBatches(Images(images, people(5, SIZE), pairs), 2, flip=True)


@pytest.fixture
def run(batches, tmp_path):
    """Return a function that trains into a folder."""

    def start(folder="run", resume=False, config=CONFIG, batches=batches, **given):
        out = tmp_path / folder
        out.mkdir(exist_ok=True)
        options = {name: given.pop(name) for name in list(given) if name in OPTIONS}
        train(
            replace(config, **given),
            batches,
            out,
            fabric=open_fabric(CPU),
            features=None,
            metadata={"data": ["noise"]},
            resume=resume,
            **{"samples": None, "report": lambda progress: None, **options},
        )
        return out

    return start


def records(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def checkpoint(out):
    return torch.load(checkpoints(out)[-1], weights_only=True)


def assert_same(one, other):
    """Compare nested state to the bit."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            assert_same(first, second)
    elif isinstance(one, Tensor):
        assert torch.equal(one, other)
    else:
        assert one == other


def test_a_resumed_run_equals_an_unbroken_one_to_the_bit(run):
    unbroken = run("unbroken")
    run("broken", steps=3)
    broken = run("broken", resume=True)
    assert_same(checkpoint(broken), checkpoint(unbroken))
    ours, theirs = (load_generator(out / "generator.safetensors") for out in (broken, unbroken))
    assert_same(dict(ours[0].state_dict()), dict(theirs[0].state_dict()))
    assert ours[1] == theirs[1]


def test_a_run_that_breaks_off_while_the_learning_rate_falls_goes_on_at_the_same_rates(run):
    plan = replace(CONFIG, decay_steps=4)
    unbroken = run("unbroken", config=plan)

    def break_off(done):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("broken", config=plan, on_step=break_off)
    broken = run("broken", config=plan, resume=True)
    assert_same(checkpoint(broken), checkpoint(unbroken))
    (group,) = checkpoint(unbroken)["generator_optimizer"]["param_groups"]
    assert group["lr"] == pytest.approx(CONFIG.learning_rate / 5)
    (constant,) = checkpoint(run("constant"))["generator_optimizer"]["param_groups"]
    assert constant["lr"] == CONFIG.learning_rate


def test_a_run_does_not_depend_on_how_often_it_writes(run, batches):
    one, other = run("one"), run("other", log_every=5, save_every=2, samples=batches[0])
    assert_same(checkpoint(one)["generator"], checkpoint(other)["generator"])
    assert_same(checkpoint(one)["discriminator"], checkpoint(other)["discriminator"])


def test_metrics_are_one_line_of_means_per_log_interval(run):
    every, seldom = run("every", log_every=1), run("seldom", log_every=4)
    single, means = records(every), records(seldom)
    assert [record["step"] for record in single] == [1, 2, 3, 4, 5, 6]
    assert [record["step"] for record in means] == [4, 6]
    for record, steps in zip(means, (single[:4], single[4:]), strict=True):
        assert record.keys() == {"step", "samples_per_second", "adversarial", "l1", "discriminator"}
        assert record["samples_per_second"] > 0
        for name in ("adversarial", "l1", "discriminator"):
            assert record[name] == pytest.approx(np.mean([step[name] for step in steps]))


def test_means_after_a_break_are_over_the_steps_before_it_too(run):
    often = {"log_every": 4, "save_every": 3}
    unbroken = run("unbroken", **often)

    def break_off(done):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("broken", on_step=break_off, **often)
    broken = run("broken", resume=True, **often)
    ours, theirs = (
        [{name: value for name, value in line.items() if "second" not in name} for line in found]
        for found in (records(broken), records(unbroken))
    )
    assert [line["step"] for line in ours] == [4, 6]
    assert ours == theirs
    assert_same(checkpoint(broken), checkpoint(unbroken))


def test_checkpoints_without_terms_of_the_last_steps_are_read(run):
    out = run("older", steps=3)
    path = checkpoints(out)[-1]
    state = torch.load(path, weights_only=True)
    del state["seen"]
    torch.save(state, path)
    run("older", resume=True)
    assert_same(checkpoint(out), checkpoint(run("unbroken")))


def test_steps_that_a_resumed_run_makes_again_are_recorded_once(run):
    # Killed after step 5: the checkpoint is of step 3, and a line was being written.
    out = run("killed", steps=5, log_every=1, save_every=3)
    (out / "checkpoints" / "0000005.pt").unlink()
    with (out / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "samp')
    run("killed", resume=True, log_every=1)
    unbroken = run("unbroken", log_every=1)
    assert [record["step"] for record in records(out)] == [1, 2, 3, 4, 5, 6]
    assert [record["l1"] for record in records(out)] == [r["l1"] for r in records(unbroken)]


def test_a_new_run_in_a_folder_without_a_checkpoint_starts_its_records_anew(run):
    out = run("again", log_every=1)
    shutil.rmtree(out / "checkpoints")
    run("again", log_every=1)
    assert [record["step"] for record in records(out)] == [1, 2, 3, 4, 5, 6]


def test_a_finished_run_that_is_resumed_stays_as_it_is(run):
    out = run()
    before = checkpoint(out)
    run(resume=True)
    assert_same(checkpoint(out), before)
    assert [record["step"] for record in records(out)] == [2, 4, 6]


def test_a_run_is_resumed_with_more_steps_and_other_records(run):
    out = run(steps=3)
    run(resume=True, steps=4, log_every=1, save_every=1)
    assert checkpoint(out)["step"] == 4


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": 3e-4},
        {"seed": 1},
        {"batch_size": 3},
        {"weights": LossWeights(l1=10.0)},
        {"generator": replace(CONFIG.generator, heatmap_sigma=3.0)},
    ],
)
def test_a_run_is_not_resumed_with_other_settings(run, change):
    run(steps=1)
    with pytest.raises(InputError, match=rf"other settings \({next(iter(change))}\)"):
        run(resume=True, **change)


def test_the_result_is_the_average_or_without_one_the_last_weights(run):
    averaged, last = run("averaged"), run("last", ema_decay=0.0)
    state = checkpoint(averaged)
    average = {
        name.removeprefix("module."): value
        for name, value in state["average"].items()
        if name.startswith("module.")
    }
    assert not torch.equal(average["head.weight"], state["generator"]["head.weight"])
    for out, wanted in [(averaged, average), (last, checkpoint(last)["generator"])]:
        generator, _ = load_generator(out / "generator.safetensors")
        for name, value in generator.state_dict().items():
            assert torch.equal(value, wanted[name].half().float()), name


def test_the_result_says_what_it_is(run):
    generator, metadata = load_generator(run() / "generator.safetensors")
    assert generator.config == CONFIG.generator
    assert metadata == {
        "data": ["noise"],
        "recipe": "test",
        "steps": 6,
        "samples": 12,
        "seed": 0,
    }


def test_samples_show_source_target_and_generated_side_by_side(run, batches):
    out = run(samples=batches[0])
    pictures = sorted(path.name for path in (out / "samples").iterdir())
    assert pictures == ["0000003.png", "0000006.png"]
    picture = np.asarray(Image.open(out / "samples" / "0000006.png"))
    assert picture.shape == (2 * SIZE[0], 3 * SIZE[1], 3)
    shown = batches[0]
    gan = Gan.create(CONFIG, open_fabric(CPU))
    gan.load_state(checkpoint(out))
    generator = gan.result(CONFIG).eval()
    with torch.no_grad():
        generated = generator(shown.source, shown.target.pose)
    for item in range(2):
        for place, image in enumerate([shown.source.image, shown.target.image, generated]):
            wanted = (image[item].permute(1, 2, 0).numpy() + 1) * 127.5
            rows, columns = (
                slice(number * length, (number + 1) * length)
                for number, length in ((item, SIZE[0]), (place, SIZE[1]))
            )
            assert np.abs(picture[rows, columns] - wanted).max() <= 0.51


def test_no_unfinished_file_is_left(run):
    out = run()
    assert sorted(path.name for path in out.iterdir()) == [
        "checkpoints",
        "generator.safetensors",
        "metrics.jsonl",
    ]


def test_what_a_killed_run_left_unfinished_is_removed(run, batches):
    out = run(steps=3, samples=batches[0])
    left = [out / "checkpoints" / ".0000006.unfinished"]  # as earlier versions named it
    for path in (checkpoints(out)[-1], out / "samples" / "0000003.png", out / "metrics.jsonl"):
        with written_beside(path) as unfinished:
            unfinished.write_bytes(path.read_bytes())
        left.append(unfinished)
    for path in left:
        path.write_bytes(b"half of it")
    run(resume=True, samples=batches[0])
    assert not any(path.exists() for path in left)


def test_the_same_run_writes_the_same_bytes(run):
    first, second = (run(folder, steps=2) for folder in ("one", "other"))
    assert checkpoints(first)[-1].read_bytes() == checkpoints(second)[-1].read_bytes()


def test_a_setting_that_is_newer_than_the_checkpoint_had_its_default(run):
    out = run(steps=1)
    path = checkpoints(out)[-1]
    state = torch.load(path, weights_only=True)
    del state["config"]["draws"]
    for part, setting in [("generator", "refine"), ("weights", "ssim")]:
        settings = json.loads(state["config"][part])
        del settings[setting]
        state["config"][part] = json.dumps(settings)
    torch.save(state, path)
    with pytest.raises(InputError, match=r"other settings \(weights\)"):
        run(resume=True, weights=replace(CONFIG.weights, ssim=3.0))
    run(resume=True)


def test_the_last_checkpoints_are_kept(run):
    out = run(steps=6, save_every=1, keep=3)
    assert [path.name for path in sorted((out / "checkpoints").iterdir())] == [
        "0000004.pt",
        "0000005.pt",
        "0000006.pt",
    ]
    run(resume=True, steps=7, save_every=1, keep=1)
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["0000007.pt"]


def test_a_run_is_not_resumed_on_other_photos(run, batches, people):
    run(steps=1)
    fewer = Images(torch.zeros(5, 3, *SIZE, dtype=torch.uint8), people(5, SIZE), batches.pairs[0])
    moved = replace(fewer, poses=people(5, SIZE, seed=9))
    renamed = replace(fewer, names=("a", "b", "c", "d", "f"))
    for other in (moved, renamed, replace(fewer, pairs=batches.pairs[0][:-1])):
        with pytest.raises(InputError, match="other photos"):
            run(resume=True, batches=PairBatches(other, 2, flip=True))
    run(resume=True, batches=PairBatches(fewer, 2, flip=True))


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_damaged_checkpoint_is_named(run, damage):
    out = run(steps=1)
    path = checkpoints(out)[-1]
    path.write_bytes(path.read_bytes()[:-2000] if damage is None else damage)
    with pytest.raises(InputError, match=r"0000001.pt cannot be read .*; remove it"):
        run(resume=True)


def test_a_loss_that_is_no_number_names_term_step_and_photos_and_spoils_no_checkpoint(
    run, batches, monkeypatch
):
    out = run(steps=3)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    real = PairBatches.__getitem__

    def spoilt(self, step):
        pair = real(self, step)
        if step == 4:
            pair.target.image[1, 0, 3, 3] = float("nan")
        return pair

    monkeypatch.setattr(PairBatches, "__getitem__", spoilt)
    with pytest.raises(DivergedError) as caught:
        run(resume=True, steps=9, save_every=1)
    said = str(caught.value)
    assert said.startswith("Step 5: ")
    assert batches.describe(4) in said
    assert " -> " in batches.describe(4)
    assert "checkpoint is of step 4" in said
    assert checkpoint(out)["step"] == 4
    for value in checkpoint(out)["generator"].values():
        assert value.isfinite().all()
    assert before.keys() <= set(out.rglob("*"))


def test_a_run_starts_from_given_weights_and_a_resumed_one_from_its_own(run):
    first, _ = load_generator(run("first") / "generator.safetensors")
    first.train()
    still = run("second", start=first, steps=1, learning_rate=1e-9)
    for name, value in checkpoint(still)["generator"].items():
        torch.testing.assert_close(value, first.state_dict()[name], atol=1e-6, rtol=0)
    own = checkpoint(run("third", steps=3))
    again = run("third", resume=True, steps=3, start=first)
    assert_same(checkpoint(again)["generator"], own["generator"])


def test_progress_tells_speed_time_left_memory_and_means(run):
    told, steps = [], []
    run(steps=4, log_every=2, report=told.append, on_step=steps.append)
    assert steps == [1, 2, 3, 4]
    assert [progress.step for progress in told] == [2, 4]
    assert told[0].seconds_left > 0 == told[1].seconds_left
    for progress in told:
        assert progress.steps == 4
        assert progress.samples_per_second > 0
        assert 10**7 < progress.memory < 10**11
        assert set(progress.terms) == {"adversarial", "l1", "discriminator"}
