"""`deformgan ablate` of a layered recipe, on the bundled people and a set with truth."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.checkpoint import load_generator, save_generator
from deformgan.cli.main import main
from deformgan.datasets.bundled_people import FOLDER
from deformgan.datasets.surfaces import NOTHING, write_surface
from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.models.layers import LayersConfig
from deformgan.recipes import RECIPES
from deformgan.recipes.ablation import LAYERED_VARIANTS
from deformgan.training.config import LossWeights, TrainConfig

LAYERS = LayersConfig(field_widths=(8, 8, 8), detail_widths=(4, 4))
TINY = TrainConfig(
    recipe="tiny",
    generator=GeneratorConfig(
        encoder_widths=(4, 6, 8),
        decoder_widths=(8, 6),
        warped_levels=2,
        upsampling="resize",
        blend=True,
        layers=LAYERS,
    ),
    discriminator=DiscriminatorConfig(widths=(4, 6), rows=128),
    weights=LossWeights(nearest_neighbour_pixels=0.5, flow=0.2, visible=1.0, matte=1.0, planes=4.0),
    batch_size=2,
    steps=2,
    rendered_share=0.5,
    log_every=1,
)


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """Some of the bundled people, of whom it is said what a renderer would know."""
    root = tmp_path_factory.mktemp("rendered") / "known"
    names = sorted((FOLDER / "bounding_box_train").iterdir())[:12]
    for folder in ("bounding_box_train", "masks", "backgrounds", "surfaces"):
        (root / folder).mkdir(parents=True)
    shutil.copy(FOLDER / "annotation.csv", root)
    mask = np.zeros((128, 64), dtype=np.uint8)
    mask[20:110, 20:44] = 255
    layer = torch.from_numpy(np.where(mask, 1, NOTHING).astype(np.uint8))
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(64.0), indexing="ij")
    place = torch.stack([x / 100, torch.zeros_like(x), y / 100]) * (layer != NOTHING)
    for path in names:
        shutil.copy(path, root / "bounding_box_train")
        shutil.copy(path, root / "backgrounds")
        Image.fromarray(mask).save(root / "masks" / f"{path.stem}.png")
        write_surface(root / "surfaces" / f"{path.stem}.npz", place, layer)
    return root


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """Register a recipe that trains in a moment."""
    monkeypatch.setitem(RECIPES, "tiny", lambda: TINY)


def words(out, known, *more):
    return [
        *("ablate", "--recipe", "tiny", "--data", str(FOLDER), "--rendered", str(known)),
        *("--out", str(out), "--pairs", "5", *map(str, more)),
    ]


def save(path, config):
    torch.manual_seed(7)
    generator = Generator(config)
    save_generator(path, generator, {"size": [128, 64]}, dtype=torch.float32)
    return generator


@pytest.mark.slow
def test_all_variants_start_alike_and_are_trained_scored_and_shown(known, tmp_path):
    start = save(tmp_path / "start.safetensors", TINY.generator)
    out = tmp_path / "out"
    assert main(words(out, known, "--init", tmp_path / "start.safetensors")) == 0
    report = json.loads((out / "ablation.json").read_text())
    assert list(report["variants"]) == list(LAYERED_VARIANTS)
    assert report["protocol"]["init"] == "start.safetensors"
    for name, variant in report["variants"].items():
        assert variant["metrics"].keys() == {"ssim", "mask_ssim", "l1", "psnr", "sharpness"}
        assert variant["taken"] == 1
        generator, metadata = load_generator(out / name / "generator.safetensors")
        assert metadata["init"] == "start.safetensors"
        assert (generator.config.layers is None) == (name == "paint-only")
        # Two small steps from where it started.
        for weight, value in generator.state_dict().items():
            assert (value - start.state_dict()[weight]).abs().max() < 2e-3, (name, weight)
    no_correction, _ = load_generator(out / "no-correction" / "generator.safetensors")
    assert not any(name.startswith("field") for name in no_correction.state_dict())
    table = (out / "ablation.md").read_text()
    assert "from the weights start.safetensors" in table
    assert "paper" not in table
    with Image.open(out / "ablation.png") as figure:
        assert figure.width > (3 + len(LAYERED_VARIANTS)) * 2 * 64


def test_weights_without_layers_start_a_layered_ablation_too(known, tmp_path):
    plain = save(tmp_path / "plain.safetensors", replace(TINY.generator, layers=None))
    chosen = ("--init", tmp_path / "plain.safetensors", "--variants", "layers", "paint-only")
    assert main(words(tmp_path / "out", known, "--steps", 1, *chosen)) == 0
    variants = json.loads((tmp_path / "out" / "ablation.json").read_text())["variants"]
    counts = [
        sum(weight.numel() for weight in generator.parameters())
        for generator in (plain, Generator(TINY.generator))
    ]
    assert variants["layers"]["taken"] == pytest.approx(counts[0] / counts[1])
    assert variants["paint-only"]["taken"] == 1


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--variants", "full"], "Unknown variant 'full' of tiny; choose one of layers, no-corr"),
        (["--init", "no-such"], "no-such"),
        (["--init", "pedestrian"], "pedestrian has a different architecture than tiny, layers"),
        (["--rendered", FOLDER], "add --rendered, a data set of rendered people with surfaces"),
        (["--generator.layers.rows", "100"], "rows must be a multiple of 32 up to 2048, got 100"),
        (["--generator.layers.row", "96"], "did you mean generator.layers.rows?"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(more, expected, known, tmp_path, capsys):
    assert main(words(tmp_path / "x", known, *more)) == 2
    complaint = capsys.readouterr().err
    assert expected in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "x").exists()
