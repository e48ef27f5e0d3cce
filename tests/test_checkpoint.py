"""A trained generator as one file: there and back, by name or path, and other files refused."""

import json
from dataclasses import asdict, replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from deformgan import checkpoint
from deformgan.checkpoint import bundled_weights, load_generator, save_generator
from deformgan.errors import InputError
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.models.layers import LayersConfig
from deformgan.pair import View

CONFIG = GeneratorConfig(
    encoder_widths=(4, 6, 8), decoder_widths=(8, 6), warped_levels=2, norm="joint", blend=True
)
METADATA = {"recipe": "test", "steps": 3, "measured": {"ssim": 0.25}, "data": ["a", "b"]}


@pytest.fixture
def generator():
    return Generator(CONFIG)


@pytest.fixture
def file(generator, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_generator(path, generator, METADATA)
    return path


def rewrite(path, described, weights=None):
    """Write a file with the same weights and another description."""
    save_file(load_file(path) if weights is None else weights, path, described)
    return path


def test_a_generator_comes_back_rounded_to_half_precision_with_all_it_says(file, generator):
    loaded, metadata = load_generator(file)
    assert metadata == METADATA
    assert loaded.config == CONFIG
    assert not loaded.training
    state = generator.state_dict()
    assert loaded.state_dict().keys() == state.keys()
    for name, value in loaded.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, state[name].half().float())


def test_in_single_precision_it_paints_the_same_picture_to_the_bit(generator, tmp_path, people):
    save_generator(tmp_path / "a.safetensors", generator, {}, dtype=torch.float32)
    loaded, _ = load_generator(str(tmp_path / "a.safetensors"))
    source = View(torch.rand(2, 3, 32, 16), people(2, (32, 16)))
    target = people(2, (32, 16), seed=1)
    with torch.no_grad():
        assert torch.equal(loaded(source, target), generator.eval()(source, target))


def test_eight_bits_round_every_channel_to_a_127th_of_its_largest_weight(generator, tmp_path):
    path = tmp_path / "a.safetensors"
    save_generator(path, generator, METADATA, dtype=torch.int8)
    loaded, metadata = load_generator(path)
    assert metadata == METADATA
    for name, value in generator.state_dict().items():
        got = loaded.state_dict()[name]
        if value.ndim == 1:
            assert torch.equal(got, value.half().float())
            continue
        step = value.abs().amax(dim=(1, 2, 3), keepdim=True) / 127
        assert ((got - value).abs() <= step * 0.501).all()
        assert ((got / step).round() - got / step).abs().max() < 1e-3
    kinds = {value.dtype for name, value in load_file(path).items() if value.ndim > 1}
    assert kinds == {torch.int8}


def test_eight_bits_store_what_a_base_has_differently(generator, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "BUNDLED", tmp_path)
    save_generator(tmp_path / "first.safetensors", generator, METADATA)
    base, _ = load_generator("first")
    trained, _ = load_generator("first")
    with torch.no_grad():
        trained.head.weight += 1e-3 * torch.randn_like(trained.head.weight)
    path = tmp_path / "second.safetensors"
    save_generator(path, trained, METADATA, dtype=torch.int8, base="first")
    assert load_file(path).keys() == {"head.weight", "head.weight.factor"}
    loaded, _ = load_generator(path)
    for name, value in trained.state_dict().items():
        error = (loaded.state_dict()[name] - value).abs().max()
        # A 254th of the largest difference, not of the largest weight.
        assert (
            error < 3e-5 if name == "head.weight" else torch.equal(value, base.state_dict()[name])
        )
    assert not torch.equal(loaded.head.weight, base.head.weight)


@pytest.mark.parametrize("factors", [None, 1])
def test_eight_bits_without_a_factor_for_each_channel_are_refused(factors, generator, tmp_path):
    path = tmp_path / "a.safetensors"
    save_generator(path, generator, METADATA, dtype=torch.int8)
    weights = load_file(path)
    whole = weights.pop("head.weight.factor")
    if factors:
        weights["head.weight.factor"] = whole[:factors].contiguous()
    with safe_open(path, framework="pt") as opened:
        described = opened.metadata()
    with pytest.raises(InputError, match=r"'head\.weight' lacks a factor for each channel"):
        load_generator(rewrite(path, described, weights))


def test_saving_replaces_the_file_and_leaves_nothing_beside_it(file, generator):
    save_generator(file, generator, {"steps": 4})
    assert load_generator(file)[1] == {"steps": 4}
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_metadata_that_cannot_be_written_leave_the_old_file(file, generator):
    with pytest.raises(TypeError):
        save_generator(file, generator, {"steps": object()})
    assert load_generator(file)[1] == METADATA


def test_bundled_weights_are_found_by_name_and_others_by_path(file, monkeypatch):
    monkeypatch.setattr(checkpoint, "BUNDLED", file.parent)
    assert bundled_weights() == ["weights"]
    assert load_generator("weights")[1] == load_generator(file)[1] == METADATA


def test_every_bundled_file_loads_and_is_named_by_its_metadata():
    for name in bundled_weights():
        generator, metadata = load_generator(name, background=True)
        assert sum(parameter.numel() for parameter in generator.parameters()) <= 8_000_000
        assert {"recipe", "steps", "commit"} <= metadata.keys()


@pytest.mark.parametrize("name", ["nobody", "no/such/file.safetensors", "."])
def test_weights_that_are_not_there_are_refused_with_the_names_of_those_that_are(
    name, file, monkeypatch
):
    monkeypatch.setattr(checkpoint, "BUNDLED", file.parent)
    with pytest.raises(InputError, match=rf"No weights '{name}'.*bundled: weights\."):
        load_generator(name)


@pytest.mark.parametrize("content", [b"", b"something else", b"\x00" * 400])
def test_a_file_that_is_not_safetensors_is_refused(content, tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not a safetensors file"):
        load_generator(path)


def test_a_file_without_a_configuration_is_refused(file):
    with pytest.raises(InputError, match="lack a configuration"):
        load_generator(rewrite(file, {"metadata": "{}"}))


def test_a_configuration_of_another_version_is_refused(file):
    config = json.dumps({"encoder_widths": [4, 6, 8], "colour": "red"})
    with pytest.raises(InputError, match=r"another version, with unknown settings: colour\."):
        load_generator(rewrite(file, {"config": config}))


def test_weights_that_do_not_fit_their_configuration_are_refused_in_one_line(file):
    weights = load_file(file)
    weights["head.weight"] = weights["head.weight"][:1].contiguous()
    with safe_open(file, framework="pt") as opened:
        described = opened.metadata()
    with pytest.raises(InputError) as error:
        load_generator(rewrite(file, described, weights))
    assert "do not match its configuration" in str(error.value)
    assert "\n" not in str(error.value)


LAYERED = replace(
    CONFIG,
    upsampling="resize",
    layers=LayersConfig(rows=32, field_widths=(8, 8, 16), detail_widths=(4, 6), base="hard"),
)


def test_a_layered_generator_comes_back_with_its_layers(tmp_path, people):
    generator = Generator(LAYERED).eval()
    save_generator(tmp_path / "a.safetensors", generator, {}, dtype=torch.float32)
    loaded, _ = load_generator(tmp_path / "a.safetensors")
    assert loaded.config == LAYERED
    source = View(torch.rand(1, 3, 48, 20), people(1, (48, 20)))
    target = people(1, (48, 20), seed=1)
    with torch.no_grad():
        assert torch.equal(loaded(source, target), generator(source, target))


def test_layers_of_another_version_are_refused(file):
    config = asdict(LAYERED)
    config["layers"] |= {"depth": 3}
    with pytest.raises(InputError, match=r"with unknown settings: layers\.depth\."):
        load_generator(rewrite(file, {"config": json.dumps(config)}))
