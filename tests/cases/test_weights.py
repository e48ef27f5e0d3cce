"""Headers of weights that lie, and weights that are no numbers."""

import json
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import save_file

from deformgan.backbones.person_embedding import load_person_embedding
from deformgan.backbones.pose18_network import load_network
from deformgan.checkpoint import load_generator, save_generator
from deformgan.errors import InputError
from deformgan.files import bundled
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.reid.baseline import BaselineConfig, load_baseline

SMALL = GeneratorConfig(encoder_widths=(4, 6), decoder_widths=(6,), warped_levels=1)
PHOTO = bundled("people/bounding_box_train/0001_c1s1_000001_00.jpg")


@pytest.fixture
def limited(monkeypatch):
    """Let no layer of more than 100 MB be allocated."""
    for kind in (torch.nn.modules.conv._ConvNd, torch.nn.Linear):
        reset = kind.reset_parameters

        def checked(layer, reset=reset):
            assert layer.weight.is_meta or layer.weight.numel() < 25e6
            reset(layer)

        monkeypatch.setattr(kind, "reset_parameters", checked)


@pytest.mark.parametrize("name", ["badconfig", "huge"])
def test_24_a_header_that_lies_is_refused(case, run, tmp_path, limited, name):
    weights = case("24-weights-header") / f"{name}.safetensors"
    words = ["--weights", weights, "--out", tmp_path / "o.png"]
    code, _, error = run("generate", PHOTO, PHOTO, *words)
    assert code == 2
    assert str(weights) in error
    assert error.count("\n") == 1
    assert not (tmp_path / "o.png").exists()


CONFIGS = {
    "no JSON": "{",
    "deep": "[" * 100_000,
    "a list": "[]",
    "null": "null",
    "a text": json.dumps("parts"),
    "empty list": '{"encoder_widths": [], "decoder_widths": []}',
    "texts": '{"encoder_widths": ["4", "6"], "decoder_widths": [6]}',
    "a number": '{"encoder_widths": 4}',
    "floats": '{"encoder_widths": [4.5, 6], "decoder_widths": [6]}',
    "zeros": '{"encoder_widths": [0, 0], "decoder_widths": [0], "warped_levels": 1}',
    "negative": '{"encoder_widths": [-4, 6], "decoder_widths": [6], "warped_levels": 1}',
    "huge": '{"encoder_widths": [9999999, 9999999], "decoder_widths": [9999999]}',
    "beyond 64 bits": f'{{"encoder_widths": [{10**30}, 6], "decoder_widths": [6]}}',
    "many levels": json.dumps({"encoder_widths": [4] * 5000, "decoder_widths": [4] * 4999}),
    "an unknown warp": '{"warp": "sideways"}',
    "an unknown entry": '{"color": 1}',
    "an unknown skeleton": '{"skeleton": "centaur"}',
    "a skeleton that is no text": '{"skeleton": {"joints": 10}}',
    "NaN": '{"heatmap_sigma": NaN}',
    "infinite": '{"heatmap_sigma": 1e999}',
    "layers": '{"layers": [1, 2]}',
    "rows": '{"blend": true, "upsampling": "resize", "layers": {"rows": 3200000000}}',
    "false for null": '{"layers": false}',
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_configuration_is_checked_before_it_is_built(tmp_path, limited, kind):
    path = tmp_path / "w.safetensors"
    state = {name: value.contiguous() for name, value in Generator(SMALL).state_dict().items()}
    save_file(state, path, {"config": CONFIGS[kind], "metadata": "{}"})
    with pytest.raises(InputError, match=r"w\.safetensors|skeleton"):
        load_generator(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64, torch.bfloat16])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value, dtype):
    path = tmp_path / "w.safetensors"
    generator = Generator(SMALL)
    save_generator(path, generator, {}, dtype=dtype)
    load_generator(path)
    for name, parameter in generator.named_parameters():
        if name == "head.bias":
            parameter.data[1] = value
    save_generator(path, generator, {}, dtype=dtype)
    with pytest.raises(InputError, match=r"head\.bias.*not finite"):
        load_generator(path)


@pytest.mark.parametrize(
    "described",
    [
        {"metadata": "[]"},
        {"metadata": "{"},
        {"metadata": "[" * 100_000},
        {"base": "/etc/passwd", "base_sha256": ""},
        {"base": "../weights/pedestrian", "base_sha256": ""},
        {"base": "pedestrian-base"},
    ],
)
def test_the_rest_of_a_header_is_checked(tmp_path, described):
    path = tmp_path / "w.safetensors"
    config = json.dumps(asdict(SMALL))
    state = {name: value.contiguous() for name, value in Generator(SMALL).state_dict().items()}
    save_file(state, path, {"config": config, **described})
    with pytest.raises(InputError, match=r"w\.safetensors"):
        load_generator(path)


@pytest.mark.parametrize(
    ("kind", "load"),
    [
        ("pose18", load_network),
        ("person_embedding", load_person_embedding),
        ("reid_baseline", load_baseline),
    ],
)
@pytest.mark.parametrize(
    "config", ["{", "{}", "7", '{"widths": [99999999, 9], "blocks": [1]}', '{"widths": "wide"}']
)
def test_our_other_networks_are_checked_too(tmp_path, limited, kind, load, config):
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.zeros(1)}, path, {"kind": kind, "config": config, "metadata": "{}"})
    with pytest.raises(InputError, match=r"w\.safetensors"):
        load(path)


def test_a_baseline_of_huge_photos_is_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    config = json.dumps(asdict(BaselineConfig("x", size=(10**9, 10**9))))
    described = {"kind": "reid_baseline", "config": config, "metadata": "{}"}
    save_file({"a": torch.zeros(1)}, path, described)
    with pytest.raises(InputError, match=r"w\.safetensors"):
        load_baseline(path)
