"""`deformgan convert`: the authors' files become weights that paint what their code painted."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from deformgan.checkpoint import load_generator
from deformgan.cli.main import main
from deformgan.datasets.bundled_people import FOLDER, bundled_people
from deformgan.models.keras_weights import keras_parameters, to_keras
from deformgan.verify.golden import Golden
from deformgan.verify.networks import NetworkInputs
from deformgan.verify.tolerances import LAYERS, OUTPUT

SIZES = {"128x64": (128, 64), "256x256": (256, 256)}


def run(capsys, *arguments) -> tuple[int, str, str]:
    code = main(["convert", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def write(keras_layout, tmp_path):
    """Return a function that writes a narrow generator of random numbers as Keras does."""

    def write_generator(arrays=None, size=(128, 64), style=None, **settings):
        process = keras_layout.Process(arrays or keras_layout.random_generator())
        network = process.generator(size, **settings)
        style = keras_layout.Style(**({"whole": True} if style is None else style))
        return keras_layout.write(tmp_path / "epoch_089_generator.h5", network, style)

    return write_generator


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    ("variant", "key"), [("mask", "128x64"), ("mask", "256x256"), ("none", "128x64")]
)
def test_it_paints_what_the_authors_code_painted(
    write, golden, tmp_path, capsys, variant, key, whole, nested
):
    arrays = dict(np.load(golden / f"net/gen_{variant}_{key}_weights.npz"))
    # Golden weights are stored in half precision, and were used in single.
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    style = {"whole": whole, "piece": None if whole else 7}
    file = write(arrays, SIZES[key], style, nested=nested)
    assert run(capsys, file, "--out", tmp_path / "w.safetensors")[0] == 0
    generator, metadata = load_generator(tmp_path / "w.safetensors")
    assert metadata["variant"] == variant
    assert metadata["size"] == list(SIZES[key])
    for name, value in keras_parameters(generator).items():
        assert np.array_equal(to_keras(value.detach()).numpy(), arrays[name])
    inputs = NetworkInputs(Golden(golden), key, torch.float32)
    with torch.no_grad():
        found = generator.paint(inputs.source, inputs.guide(generator.config.warp))
    expected = np.load(golden / f"net/gen_{variant}_{key}_outputs.npz")
    painted = found.output.movedim(1, -1).numpy()
    np.testing.assert_allclose(painted, expected["out"], rtol=0, atol=OUTPUT[key])
    stacks = {"dec": found.decoder, "enc" if variant == "none" else "enc_app": found.source}
    if variant == "mask":
        stacks["enc_pose"] = found.target
    for stack, layers in stacks.items():
        for place, layer in enumerate(layers):
            stride = int(expected[f"stride.{stack}.{place}"])
            thinned = layer[..., ::stride, ::stride].movedim(1, -1).numpy()
            np.testing.assert_allclose(
                thinned, expected[f"{stack}.{place}"], rtol=0, atol=LAYERS[key]
            )


@pytest.mark.parametrize(
    ("settings", "array", "warp"),
    [
        ({"transforms": 1}, "out_full_max", "global"),
        ({"aggregation": "avg"}, "out_mask_avg", "parts"),
    ],
)
def test_the_saved_architecture_tells_the_warp(
    write, golden, tmp_path, capsys, settings, array, warp
):
    arrays = dict(np.load(golden / "net/gen_mask_128x64_weights.npz"))
    assert run(capsys, write(arrays, **settings), "--out", tmp_path / "w.safetensors")[0] == 0
    generator, _ = load_generator(tmp_path / "w.safetensors")
    assert generator.config.warp == warp
    inputs = NetworkInputs(Golden(golden), "128x64", torch.float32)
    with torch.no_grad():
        painted = generator.paint(inputs.source, inputs.guide(warp)).output.movedim(1, -1).numpy()
    expected = np.load(golden / "net/gen_mask_128x64_outputs.npz")
    stride = int(expected[f"stride.{array}"])
    np.testing.assert_allclose(
        painted[:, ::stride, ::stride], expected[array], rtol=0, atol=OUTPUT["128x64"]
    )


@pytest.mark.parametrize("streams", [1, 2])
def test_random_weights_survive_to_the_bit(keras_layout, write, tmp_path, capsys, streams):
    arrays = keras_layout.random_generator(streams)
    file, report = write(arrays), tmp_path / "report.json"
    code, out, _ = run(capsys, file, "--out", tmp_path / "w.safetensors", "--json", report)
    assert code == 0
    generator, metadata = load_generator(tmp_path / "w.safetensors")
    found = keras_parameters(generator)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert np.array_equal(to_keras(found[name].detach()).numpy(), array)
    count = sum(array.size for array in arrays.values())
    assert f"{count:,}" in out
    told = json.loads(report.read_text())
    assert told["parameters"] == count
    assert told["streams"] == streams
    assert told["assumed"] == []
    network = keras_layout.Process(arrays).generator((128, 64))
    mapping = {
        f"/model_weights/{name.split('/')[0]}/{name}": v for name, v in network.mapping.items()
    }
    assert told["arrays"] == mapping
    assert metadata["keras_version"] == "2.0.8"
    assert metadata["converted_from"] == "epoch_089_generator.h5"


def test_generate_paints_with_converted_weights(write, tmp_path, capsys):
    weights = tmp_path / "w.safetensors"
    assert run(capsys, write(), "--out", weights)[0] == 0
    photo = bundled_people()[0][0].path
    table = FOLDER / "annotation.csv"
    row = f"{table}:{photo.name}"
    files = ["generate", str(photo), row, "--out", str(tmp_path / "out.png"), "--source-pose", row]
    assert main([*files, "--weights", str(weights)]) == 0
    assert (tmp_path / "out.png").is_file()


def test_what_a_file_of_weights_does_not_say_is_printed_or_given(write, tmp_path, capsys):
    file, weights = write(style={}), tmp_path / "w.safetensors"
    code, out, _ = run(capsys, file, "--out", weights)
    assert code == 0
    assert "size 128x64, warp parts, aggregation max: not stated in the file" in out
    flags = ["--warp", "global", "--aggregation", "max", "--size", "128x128"]
    code, out, _ = run(capsys, file, "--out", weights, *flags)
    assert code == 0
    assert "assumed" not in out
    generator, metadata = load_generator(weights)
    assert generator.config.warp == "global"
    assert metadata["variant"] == "full"
    assert metadata["size"] == [128, 128]


@pytest.mark.parametrize(
    ("streams", "flags", "said"),
    [
        (2, ["--warp", "global"], "--warp is global, but the file has parts."),
        (2, ["--size", "128x128"], "--size is 128x128, but the file has 128x64."),
        (2, ["--aggregation", "average"], "--aggregation is average, but the file has max."),
        (1, ["--warp", "parts"], "one stream (warp_skip none) warps nothing"),
    ],
)
def test_flags_do_not_overrule_the_file(
    keras_layout, write, tmp_path, capsys, streams, flags, said
):
    file = write(keras_layout.random_generator(streams))
    code, _, err = run(capsys, file, "--out", tmp_path / "w.safetensors", *flags)
    assert code == 2
    assert said in err
    assert not (tmp_path / "w.safetensors").exists()


def test_a_depth_and_a_size_that_do_not_belong_together_are_refused(write, tmp_path, capsys):
    code, _, err = run(
        capsys, write(style={}), "--out", tmp_path / "w.safetensors", "--size", "256x256"
    )
    assert code == 2
    assert "6 levels supports 128x64 or 128x128 images, not 256x256" in err


def broken(keras_layout, kind, tmp_path):
    """Write a file that must be refused."""
    path, arrays = tmp_path / "k.h5", keras_layout.random_generator()
    style = keras_layout.Style(whole=True)
    if kind == "discriminator":
        process = keras_layout.Process(keras_layout.random_discriminator(), before=13)
        return keras_layout.write(path, process.discriminator((128, 64)), style)
    if kind == "background":
        arrays["enc_pose.0.kernel"] = np.zeros((3, 3, 21, 4), np.float32)
    if kind == "not a number":
        arrays["dec.2.kernel"][0, 0, 0, 0] = np.nan
    network = keras_layout.Process(arrays).generator((128, 64))
    if kind == "layer missing":
        network = replace(network, layers=[x for x in network.layers if x.name != "conv2d_9"])
    keras_layout.write(path, network, style)
    content = path.read_bytes()
    if kind == "cut":
        path.write_bytes(content[: len(content) // 2])
    if kind == "flipped":
        path.write_bytes(content.replace(b"TREE", b"EERT"))
    if kind == "text":
        path.write_text("weights")
    return path


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("discriminator", "contains a discriminator ("),
        ("background", "a background image"),
        ("not a number", "not finite"),
        ("layer missing", "12 conv2d"),
        ("cut", "damaged HDF5 file"),
        ("flipped", "damaged HDF5 file"),
        ("text", "not an HDF5 file"),
    ],
)
def test_what_is_refused_is_refused_in_one_line_and_nothing_is_written(
    keras_layout, tmp_path, capsys, kind, said
):
    file = broken(keras_layout, kind, tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    (out / "w.safetensors").write_text("what was there before")
    flags = ["--out", out / "w.safetensors", "--json", out / "report.json"]
    code, printed, err = run(capsys, file, *flags)
    assert code == 2
    assert printed == ""
    assert err.count("\n") == 1
    assert "k.h5" in err
    assert said in err
    assert [path.name for path in out.iterdir()] == ["w.safetensors"]
    assert (out / "w.safetensors").read_text() == "what was there before"


@pytest.mark.parametrize("name", ["w.h5", "absent/w.safetensors"])
def test_an_impossible_name_is_refused_before_anything_is_read(tmp_path, capsys, name):
    code, _, err = run(capsys, tmp_path / "absent.h5", "--out", tmp_path / name)
    assert code == 2
    assert "Cannot write" in err


def test_an_architecture_of_another_kind_is_refused(keras_layout, write, tmp_path, capsys):
    import h5py

    for config in ("[]", '{"config": {"layers": [{}]}}', '{"config": {"layers": [3]}}', "7"):
        file = write()
        with h5py.File(file, "a") as opened:
            opened.attrs["model_config"] = config.encode()
        code, _, err = run(capsys, file, "--out", tmp_path / "w.safetensors")
        assert code == 2
        assert "model_config) is not Keras 2's" in err
    code, _, err = run(capsys, write(transforms=7), "--out", tmp_path / "w.safetensors")
    assert code == 2
    assert "warps by 7 transforms" in err
