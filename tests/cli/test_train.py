"""The command `deformgan train` on a folder in Market-1501's layout, and the recipes by name."""

import json
import re
import sys
from dataclasses import asdict, replace
from itertools import product
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.backbones.vgg19 import Vgg19Features
from deformgan.checkpoint import load_generator, save_generator
from deformgan.cli.main import main
from deformgan.datasets import open_dataset
from deformgan.datasets.bundled_people import FOLDER
from deformgan.models.discriminator import Discriminator, DiscriminatorConfig
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.models.layers import LayersConfig
from deformgan.pose_formats.annotation_csv import write_annotation_csv
from deformgan.pose_formats.annotations import Annotations
from deformgan.recipes import RECIPES
from deformgan.training.config import LossWeights, TrainConfig
from deformgan.training.data import mix_datasets
from deformgan.training.gan import Gan
from deformgan.training.launch import open_fabric
from deformgan.training.step import train_step


@pytest.fixture(scope="module")
def data(people, tmp_path_factory):
    """Two people in four noisy photos each."""
    root = tmp_path_factory.mktemp("market")
    folder = root / "bounding_box_train"
    folder.mkdir()
    names = [f"{who:04d}_c1s1_{frame:06d}_00.jpg" for who, frame in product((2, 7), range(4))]
    random = np.random.default_rng(0)
    for name in names:
        coarse = random.integers(0, 256, (8, 4, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((64, 128)).save(folder / name, quality=95)
    pose = people(len(names))
    write_annotation_csv(
        root / "market-annotation-train.csv", Annotations(names, pose, source="a test")
    )
    return root


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    """A file of random weights in the layout of Oxford's."""
    random = np.random.default_rng(0)
    arrays = {}
    for name, outputs, inputs in [("conv1_1", 64, 3), ("conv1_2", 64, 64), ("conv2_1", 128, 64)]:
        weight = random.normal(0, (2 / (9 * inputs)) ** 0.5, (outputs, inputs, 3, 3))
        arrays[f"{name}.weight"] = weight.astype(np.float32)
        arrays[f"{name}.bias"] = np.zeros(outputs, dtype=np.float32)
    path = tmp_path_factory.mktemp("vgg") / "vgg19.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture
def tiny(monkeypatch):
    """Register a recipe that trains in a moment."""
    recipe = TrainConfig(
        recipe="tiny",
        generator=GeneratorConfig(encoder_widths=(4, 6, 8), decoder_widths=(8, 6)),
        discriminator=DiscriminatorConfig(widths=(4, 6)),
        weights=LossWeights(nearest_neighbour=0.01),
        batch_size=2,
        steps=4,
        rendered_share=0.5,
        log_every=1,
    )
    monkeypatch.setitem(RECIPES, "tiny", lambda: recipe)
    return recipe


@pytest.fixture
def plain(tiny, monkeypatch):
    """The same without VGG-19."""
    recipe = replace(tiny, weights=LossWeights(l1=100.0))
    monkeypatch.setitem(RECIPES, "tiny", lambda: recipe)
    return recipe


def complaint_of(capsys, *arguments):
    """Run a command line that must fail as a user's mistake, and return its one line."""
    assert main(["train", *map(str, arguments)]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("deformgan: ")
    assert printed.err.count("\n") == 1
    return printed.err


def test_the_bundled_recipe_trains_and_its_result_generates(data, vgg, tmp_path, capsys):
    out = tmp_path / "runs" / "x"
    arguments = ["--data", data, "--out", out, "--vgg", vgg, "--steps", 2, "--batch-size", 2]
    assert main(["train", "pedestrian-base", *map(str, arguments)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(out / "generator.safetensors")
    (record,) = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert record["step"] == 2
    assert {"adversarial", "nearest_neighbour", "discriminator"} <= record.keys()
    assert all(np.isfinite(value) for value in record.values())
    samples = Image.open(out / "samples" / "0000002.png")
    assert samples.size == (3 * 64, 8 * 128)
    generator, metadata = load_generator(out / "generator.safetensors")
    assert generator.config == RECIPES["pedestrian-base"]().generator
    expected = {"recipe": "pedestrian-base", "steps": 2, "samples": 4, "size": [128, 64]}
    assert expected.items() <= metadata.items()
    assert metadata["data"] == [data.name]


def test_quickstart_needs_no_data_and_no_outside_weights(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "nothing"))
    out = tmp_path / "x"
    arguments = ["--out", out, "--steps", 2, "--batch-size", 2, "--json", tmp_path / "x.json"]
    assert main(["train", "quickstart", *map(str, arguments)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        r"About \d+ s for 2 steps of \S+ s, and \d+\.\d GB of \d+\.\d GB of memory "
        r"\(from a trial step\)\.",
        printed[0],
    )
    assert printed[1].startswith("2/2  ")
    assert printed[-1] == str(out / "generator.safetensors")
    generator, metadata = load_generator(out / "generator.safetensors")
    assert generator.config == RECIPES["quickstart"]().generator
    assert metadata["data"] == ["people"]
    assert metadata["samples"] == 4
    report = json.loads((tmp_path / "x.json").read_text())
    assert report["config"]["generator"] == json.loads(json.dumps(asdict(generator.config)))
    assert report["config"]["steps"] == report["steps"] == 2
    assert report["samples"] == 4
    (record,) = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert report["terms"] == {
        name: record[name] for name in ("adversarial", "nearest_neighbour_pixels", "discriminator")
    }
    assert report["samples_per_second"] == record["samples_per_second"] > 0
    assert 10**7 < report["memory"] < 10**11
    assert {"version", "commit", "date", "machine"} <= report.keys()
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(("name", "make"), RECIPES.items())
def test_a_recipe_is_named_as_its_function_and_says_what_to_expect_and_what_was_measured(
    name, make
):
    assert name == make.__name__.replace("_", "-") == make().recipe
    lines = [line.strip() for line in make.__doc__.splitlines()]
    assert any(line.startswith("Expect: ") for line in lines)
    assert any(line.startswith("Measured: ") for line in lines)


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("make", RECIPES.values(), ids=RECIPES)
def test_a_recipe_can_be_built_and_takes_photos_of_its_size(make):
    recipe = make()
    with torch.device("meta"):
        generator, discriminator = Generator(recipe.generator), Discriminator(recipe.discriminator)
    size = (256, 256) if "fashion" in recipe.recipe else (128, 64)
    assert all(length % recipe.generator.stride == 0 for length in size)
    assert parameters(generator) > parameters(discriminator) > 0
    if recipe.recipe in ("quickstart", "pedestrian-base", "synthetic"):
        assert parameters(generator) <= 8_000_000


# The authors' networks (joint norm): measured on their code. The paper's norm has a scale and a
# shift per channel instead of one each for the whole layer.
MARKET, FASHION = [128, 256, 512, 512], [128, 256, 512, 512, 512]
MARKET_UP, FASHION_UP = [512, 512, 512, 256, 128], [512, 512, 512, 512, 256, 128]


@pytest.mark.parametrize(
    ("name", "authors", "normed"),
    [
        ("market-full", 61_109_085, [*MARKET, *MARKET, *MARKET_UP]),
        ("market-percloss", 61_109_085, [*MARKET, *MARKET, *MARKET_UP]),
        ("market-dsc", 61_109_085, [*MARKET, *MARKET, *MARKET_UP]),
        ("market-baseline", 36_072_533, [*MARKET, *MARKET_UP]),
        ("fashion-full", 82_080_611, [*FASHION, *FASHION, *FASHION_UP]),
        ("fashion-percloss", 82_080_611, [*FASHION, *FASHION, *FASHION_UP]),
        ("fashion-dsc", 82_080_611, [*FASHION, *FASHION, *FASHION_UP]),
        ("fashion-baseline", 48_655_449, [*FASHION, *FASHION_UP]),
    ],
)
def test_the_paper_s_networks_have_their_numbers_of_parameters(name, authors, normed):
    with torch.device("meta"):
        reference, paper = (
            (Generator(recipe.generator), Discriminator(recipe.discriminator))
            for recipe in (RECIPES[f"reference-{name}"](), RECIPES[f"paper-{name}"]())
        )
    assert parameters(reference[0]) == authors
    assert parameters(paper[0]) == authors + 2 * sum(normed) - 2 * len(normed)
    assert parameters(reference[1]) == 2_803_782
    judged = [128, 256, 512]
    assert parameters(paper[1]) == 2_803_782 + 2 * sum(judged) - 2 * len(judged)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in RECIPES if "fashion" in name])
def test_two_steps_of_a_recipe_for_photos_of_256x256_move_every_weight(name, vgg):
    # The bundled people, brought to that size.
    recipe = replace(RECIPES[name](), batch_size=1, ema_decay=0.0)
    fabric = open_fabric(torch.device("cpu"))
    photos = open_dataset(FOLDER, size=(256, 256), fit="pad")
    photos = photos.of_people(photos.identities[:4])
    data = mix_datasets(recipe, [photos], fabric)
    assert data.size == (256, 256)
    layers = recipe.vgg_layers
    features = Vgg19Features(vgg, layers, recipe.vgg_channel_order) if layers else None
    gan = Gan.create(recipe, fabric)
    before = [value.detach().clone() for value in weights_of(gan)]
    for step in range(2):
        draws = [data.batches[step * recipe.draws + draw] for draw in range(recipe.draws)]
        assert draws[0].target.image.shape == (1, 3, 256, 256)
        terms = train_step(fabric, gan, draws, features, recipe, step)
        assert all(value.isfinite() for value in terms.values())
    # Every tensor, not its sum: steps of one length up and down may cancel.
    pairs = zip(before, weights_of(gan), strict=True)
    assert not any(torch.equal(one, other) for one, other in pairs)


def weights_of(gan):
    return [*gan.generator.network.parameters(), *gan.discriminator.network.parameters()]


def test_a_run_is_resumed_from_the_command_line_as_if_unbroken(data, vgg, tmp_path, tiny):
    common = ["train", "tiny", "--data", str(data), "--vgg", str(vgg)]
    assert main([*common, "--out", str(tmp_path / "a")]) == 0
    assert main([*common, "--out", str(tmp_path / "b"), "--steps", "2"]) == 0
    assert main([*common, "--out", str(tmp_path / "b"), "--resume"]) == 0
    one, other = (load_generator(tmp_path / run / "generator.safetensors") for run in "ab")
    assert one[1] == other[1]
    for name, value in one[0].state_dict().items():
        assert torch.equal(value, other[0].state_dict()[name]), name


def settings_of(out):
    (path,) = (out / "checkpoints").iterdir()
    state = torch.load(path, weights_only=True)
    return {name: json.loads(value) for name, value in state["config"].items()}


def test_flags_change_the_recipe_and_rendered_people_are_mixed_in(data, vgg, tmp_path, tiny):
    arguments = ["--data", data, "--rendered", data, "--out", tmp_path, "--vgg", vgg]
    arguments += ["--steps", 1, "--seed", 3, "--learning-rate", 0.001, "--threads", 1]
    assert main(["train", "tiny", *map(str, arguments)]) == 0
    assert (tmp_path / "checkpoints" / "0000001.pt").exists()
    settings = settings_of(tmp_path)
    assert settings["seed"] == 3
    assert settings["learning_rate"] == 0.001
    assert settings["batch_size"] == tiny.batch_size
    _, metadata = load_generator(tmp_path / "generator.safetensors")
    assert metadata["data"] == [data.name] * 2


def test_every_setting_can_be_a_flag_and_a_flag_goes_before_the_file(plain, data, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        "steps = 1\nseed = 5\nlearning_rate = 0.5\nema_decay = 0.25\n"
        "[weights]\nl1 = 7\nl2 = 3\n[generator]\nheatmap_sigma = 2.0\n"
    )
    out = tmp_path / "x"
    arguments = ["--data", data, "--out", out, "--config", file, "--learning-rate", 0.25]
    arguments += ["--weights.l1", 9, "--generator.encoder-widths", 2, 4, "--ema-decay=0.75"]
    arguments += ["--generator.decoder-widths", 3, "--betas", "0.25,0.5", "--draws", 3]
    assert main(["train", "tiny", *map(str, arguments)]) == 0
    wanted = replace(
        plain,
        steps=1,
        seed=5,
        learning_rate=0.25,
        ema_decay=0.75,
        betas=(0.25, 0.5),
        draws=3,
        weights=replace(plain.weights, l1=9.0, l2=3.0),
        generator=replace(
            plain.generator, encoder_widths=(2, 4), decoder_widths=(3,), heatmap_sigma=2.0
        ),
    )
    wanted = json.loads(json.dumps(asdict(wanted)))
    found = settings_of(out)
    assert found == {name: wanted[name] for name in found}
    assert load_generator(out / "generator.safetensors")[0].config.encoder_widths == (2, 4)


def test_a_run_starts_from_given_weights(plain, data, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    common = ["train", "tiny", "--data", str(data), "--steps", "1"]
    assert main([*common, "--out", str(first), "--seed", "8"]) == 0
    weights = str(first / "generator.safetensors")
    still = ["--init", weights, "--learning-rate", "1e-9"]
    assert main([*common, "--out", str(second), *still]) == 0
    (one, _), (other, metadata) = (
        load_generator(out / "generator.safetensors") for out in (first, second)
    )
    assert metadata["init"] == "generator.safetensors"
    for name, value in one.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[name], atol=2e-4, rtol=1e-3)


def test_a_run_starts_from_another_with_its_discriminator(plain, data, tmp_path, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    common = ["--data", str(data), "--steps", "1", "--save-every", "1"]
    assert main(["train", "tiny", *common, "--out", str(first), "--seed", "8"]) == 0
    still = ["--init", str(first), "--learning-rate", "1e-9"]
    assert main(["train", "tiny", *common, "--out", str(second), *still]) == 0
    assert load_generator(second / "generator.safetensors")[1]["init"] == "first"
    states = [
        torch.load(out / "checkpoints" / "0000001.pt", weights_only=True)["discriminator"]
        for out in (first, second)
    ]
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, atol=1e-7, rtol=0)

    common += ["--out", str(tmp_path / "third"), "--init", str(first)]
    complaint = complaint_of(capsys, "tiny", *common, "--discriminator.widths", "4", "8")
    assert "The discriminator of" in complaint
    assert "has another configuration" in complaint
    assert not (tmp_path / "third").exists()


def test_given_weights_of_another_shape_are_refused(plain, data, tmp_path, capsys):
    common = ["tiny", "--data", data, "--out", tmp_path / "x"]
    complaint = complaint_of(capsys, *common, "--init", "pedestrian")
    assert "The generator pedestrian has a different architecture than tiny;" in complaint
    complaint = complaint_of(capsys, *common, "--init", "nobody")
    assert "No weights 'nobody'" in complaint
    assert not (tmp_path / "x").exists()


@pytest.fixture
def layered(plain, monkeypatch):
    """A recipe with layers, of the shape of `tiny_blend` but for these."""
    blend = replace(plain.generator, upsampling="resize", blend=True, warped_levels=2)
    layers = LayersConfig(rows=32, field_widths=(8, 8, 8), detail_widths=(4, 4))
    recipe = replace(
        plain,
        recipe="tiny-layered",
        generator=replace(blend, layers=layers),
        discriminator=replace(plain.discriminator, rows=32, fine_widths=(4, 4)),
        weights=LossWeights(l1=10.0, flow=1.0, visible=1.0, matte=1.0, planes=1.0),
        steps=2,
    )
    monkeypatch.setitem(RECIPES, "tiny-layered", lambda: recipe)
    without = replace(plain, recipe="tiny-blend", generator=blend, steps=1)
    monkeypatch.setitem(RECIPES, "tiny-blend", lambda: without)
    return recipe


@pytest.fixture
def small_photos(tmp_path, people):
    """Two people in three photos each, of 40x16 pixels."""
    folder = tmp_path / "small" / "bounding_box_train"
    folder.mkdir(parents=True)
    names = [f"{who:04d}_c1s1_{frame:06d}_00.jpg" for who, frame in product((2, 7), range(3))]
    for name in names:
        Image.new("RGB", (16, 40)).save(folder / name)
    table = Annotations(names, people(len(names), (40, 16)), source="a test")
    write_annotation_csv(folder.parent / "market-annotation-train.csv", table)
    return folder.parent


def test_layers_learn_from_several_sizes_and_begin_with_weights_without_layers(
    layered, data, small_photos, tmp_path, capsys
):
    both = ["--data", str(data), str(small_photos)]
    first, second, third = (str(tmp_path / name) for name in ("a", "b", "c"))
    assert main(["train", "tiny-blend", "--data", str(data), "--out", first]) == 0
    weights = f"{first}/generator.safetensors"
    still = ["--init", weights, "--learning-rate", "1e-9", "--shares", "1,3"]
    assert main(["train", "tiny-layered", *both, "--out", second, *still]) == 0
    (old, _), (new, metadata) = (
        load_generator(f"{out}/generator.safetensors") for out in (first, second)
    )
    assert metadata["data"] == [data.name, "small"]
    assert metadata["size"] == [32, 16]  # the network's rows, half as wide as high
    assert new.config == layered.generator
    for name, value in old.state_dict().items():
        torch.testing.assert_close(value, new.state_dict()[name], atol=2e-4, rtol=1e-3)
    assert Image.open(f"{second}/samples/0000002.png").size == (3 * 64, 8 * 128)
    # With layers it begins with layers, and goes on as if unbroken.
    again = ["--init", f"{second}/generator.safetensors"]
    assert main(["train", "tiny-layered", *both, "--out", third, *again, "--steps", "1"]) == 0
    assert main(["train", "tiny-layered", *both, "--out", third, "--resume"]) == 0
    assert load_generator(f"{third}/generator.safetensors")[1]["steps"] == 2


def test_mistakes_about_layers_are_one_line_and_write_nothing(
    layered, data, small_photos, tmp_path, capsys
):
    made = tmp_path / "layered.safetensors"
    save_generator(made, Generator(layered.generator), {})
    common = ["--out", tmp_path / "x", "--data", data, small_photos]
    nothing = [f"--weights.{name}=0" for name in ("l1", "adversarial", "planes")]
    for arguments, words in [
        (
            ["tiny-layered", *common, "--shares", "1", "2", "3"],
            "2 sets of photos, but --shares lists 3",
        ),
        (["tiny-layered", *common, "--shares", "1", "0"], "shares must be positive"),
        (["tiny-layered", *common, "--draws", 3], "photos of one size"),
        (
            ["tiny-layered", *common, "--generator.layers.rows", 60],
            "multiple of 32 up to 2048, got 60",
        ),
        (["tiny-layered", *common, "--generator.layers", "none"], "need a generator with layers"),
        (
            ["tiny-layered", *common, *nothing],
            "these photos have no known truth",
        ),
        (["tiny-blend", *common, "--init", made], "has a different architecture than tiny-blend;"),
        (["tiny", *common, "--init", made], "has a different architecture than tiny;"),
    ]:
        assert words in complaint_of(capsys, *arguments)
        assert not (tmp_path / "x").exists()


def test_events_for_tensorboard_are_written_where_they_are_asked_for(plain, data, tmp_path):
    pytest.importorskip("tensorboard", reason="needs the extra track")
    common = ["train", "tiny", "--data", str(data), "--steps", "1"]
    assert main([*common, "--out", str(tmp_path / "with"), "--tensorboard"]) == 0
    assert main([*common, "--out", str(tmp_path / "without")]) == 0
    assert list((tmp_path / "with" / "tensorboard").glob("events.*"))
    assert not (tmp_path / "without" / "tensorboard").exists()


def test_without_tensorboard_the_extra_is_named(plain, data, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    arguments = ["tiny", "--data", data, "--out", tmp_path / "x", "--tensorboard"]
    assert "needs the extra `track`" in complaint_of(capsys, *arguments)


def test_photos_that_the_network_cannot_halve_so_often_are_refused(plain, tmp_path, people, capsys):
    folder = tmp_path / "photos" / "bounding_box_train"
    folder.mkdir(parents=True)
    names = [f"0002_c1s1_{frame:06d}_00.jpg" for frame in range(4)]
    for name in names:
        Image.new("RGB", (62, 126)).save(folder / name)
    table = Annotations(names, people(4), source="a test")
    write_annotation_csv(folder.parent / "market-annotation-train.csv", table)
    complaint = complaint_of(capsys, "tiny", "--data", folder.parent, "--out", tmp_path / "x")
    assert "multiples of 4" in complaint
    assert "126x62" in complaint
    assert not (tmp_path / "x").exists()


def test_a_person_in_two_photos_is_enough(plain, tmp_path, people):
    folder = tmp_path / "photos" / "bounding_box_train"
    folder.mkdir(parents=True)
    names = [f"0002_c1s1_{frame:06d}_00.jpg" for frame in range(2)]
    for name in names:
        Image.new("RGB", (64, 128)).save(folder / name)
    table = Annotations(names, people(2), source="a test")
    write_annotation_csv(folder.parent / "market-annotation-train.csv", table)
    out = tmp_path / "x"
    arguments = ["tiny", "--data", folder.parent, "--out", out, "--steps", 1]
    assert main(["train", *map(str, arguments)]) == 0
    assert Image.open(out / "samples" / "0000001.png").size == (3 * 64, 2 * 128)


def test_an_unknown_recipe_lists_the_known_ones(data, tmp_path, capsys):
    complaint = complaint_of(capsys, "pedestrian-smal", "--data", data, "--out", tmp_path / "x")
    assert "Unknown recipe 'pedestrian-smal'; choose one of " in complaint
    assert all(name in complaint for name in RECIPES)
    assert not (tmp_path / "x").exists()


def test_a_folder_that_holds_a_run_is_left_alone_without_resume(data, vgg, tmp_path, tiny, capsys):
    arguments = ["tiny", "--data", data, "--vgg", vgg, "--out", tmp_path, "--steps", 1]
    assert main(["train", *map(str, arguments)]) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(before) == 4  # result, metrics, samples, checkpoint
    capsys.readouterr()
    complaint = complaint_of(capsys, *arguments)
    assert "already contains a run; use --resume" in complaint
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_run_is_not_resumed_with_other_settings(data, vgg, tmp_path, tiny, capsys):
    arguments = ["tiny", "--data", data, "--vgg", vgg, "--out", tmp_path]
    assert main(["train", *map(str, arguments), "--steps", "1"]) == 0
    capsys.readouterr()
    complaint = complaint_of(capsys, *arguments, "--resume", "--seed", 4)
    assert "other settings (seed)" in complaint


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"--data": "no/such/folder"}, ["no/such/folder", "does not exist"]),
        ({"--vgg": "no/such/file.npz"}, ["no/such/file.npz"]),
        ({"--rendered": "no/such/folder"}, ["no/such/folder", "does not exist"]),
        ({"--device": "toaster"}, ["toaster", "cpu"]),
        ({"--steps": "0"}, ["steps must be positive, got 0"]),
        ({"--batch-size": "-2"}, ["batch_size must be positive, got -2"]),
        ({"--learning-rate": "0"}, ["learning_rate must be positive, got 0"]),
        ({"--log-every": "0"}, ["log_every must be positive"]),
        ({"--save-every": "0"}, ["save_every must be positive"]),
        ({"--threads": "0"}, ["--threads must be positive"]),
        ({"--seed": "-1"}, ["seed must not be negative"]),
        ({"--precision": "float16"}, ["float16", "bfloat16"]),
        ({"--batch-size": "100"}, ["24 pairs, fewer than 100"]),
        ({"--json": "no/such/folder/x.json"}, ["no/such/folder does not exist"]),
        ({"--config": "no/such/file.toml"}, ["No file no/such/file.toml"]),
        ({"--stepz": "4"}, ["unknown setting 'stepz'; did you mean steps?"]),
        ({"--weights.l3": "4"}, ["unknown setting 'weights.l3'; weights has ", "l1, l2"]),
        ({"--ema-decay": "1.5"}, ["ema_decay must be at least 0 and below 1, got 1.5"]),
        ({"--betas": "1.5,0.9"}, ["betas must be at least 0 and below 1"]),
        ({"--generator.skeleton": "dog"}, ["by --skeleton, got dog"]),
        ({"--generator.decoder-widths": "8"}, ["3 encoder levels need 2 decoder blocks, got 1"]),
        ({"--init": "no/such/file"}, ["No weights 'no/such/file'"]),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    changes, words, data, vgg, tmp_path, tiny, capsys
):
    given = {"--data": data, "--vgg": vgg, "--out": tmp_path / "x"} | changes
    complaint = complaint_of(capsys, "tiny", *(word for pair in given.items() for word in pair))
    assert all(word in complaint for word in words), complaint
    assert not (tmp_path / "x").exists()


def test_weights_are_not_downloaded_unless_asked(data, tmp_path, tiny, monkeypatch, capsys):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    asked = []

    def unreachable(*_args, **_options):
        asked.append(True)
        raise URLError("no network")

    monkeypatch.setattr("torch.hub.urlopen", unreachable)
    arguments = ["tiny", "--data", data, "--out", tmp_path / "x"]
    complaint = complaint_of(capsys, *arguments)
    assert all(
        word in complaint for word in ("use --vgg", "use --download", "548 MB", "quickstart")
    )
    assert not asked
    assert "could not be downloaded" in complaint_of(capsys, *arguments, "--download")
    assert asked


def test_an_output_folder_that_is_a_file_is_refused(data, vgg, tmp_path, tiny, capsys):
    (tmp_path / "x").write_text("")
    complaint = complaint_of(capsys, "tiny", "--data", data, "--vgg", vgg, "--out", tmp_path / "x")
    assert "a file is in its place" in complaint
