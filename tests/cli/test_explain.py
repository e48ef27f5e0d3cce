"""`deformgan explain` on the bundled people."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.checkpoint import save_generator
from deformgan.cli.main import main
from deformgan.datasets.bundled_people import FOLDER, bundled_people
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.models.layers import LayersConfig
from deformgan.skeletons.openpose18 import OPENPOSE18

PHOTOS = [[view.path for view in views] for views in bundled_people()]
SOURCE, TABLE = PHOTOS[0][0], FOLDER / "annotation.csv"
POSE = f"{TABLE}:{PHOTOS[3][1].name}"
PICTURES = {
    *("parts_source", "parts_target", "masks", "transforms", "warped_parts", "warped"),
    *("skips", "heatmaps", "result", "explain"),
}
LAYERS = {
    *("field_base", "field", "correction", "source_matte", "copy", "visible", "paint"),
    *("person", "matte", "scene"),
}


def save_tiny(path, **config):
    torch.manual_seed(0)
    widths = {"encoder_widths": (4, 4, 4, 4, 4, 4), "decoder_widths": (4, 4, 4, 4, 4)}
    generator = Generator(GeneratorConfig(**widths, **config))
    save_generator(path, generator, {"size": [128, 64]})
    return str(path)


def arguments(weights, *flags, source=SOURCE):
    own = ["--source-pose", f"{TABLE}:{SOURCE.name}"]
    return [str(source), POSE, *own, "--weights", weights, *map(str, flags)]


def test_every_picture_is_written_and_the_result_is_what_generate_gives(tmp_path, capsys):
    weights = save_tiny(tmp_path / "tiny.safetensors", blend=True)
    out, report = tmp_path / "new" / "folder", tmp_path / "report.json"
    assert main(["explain", *arguments(weights, "--out", out, "--json", report)]) == 0
    said = capsys.readouterr().out
    assert {path.stem for path in out.glob("*.png")} == PICTURES
    assert {path.name for path in out.iterdir()} == {
        *(f"{name}.png" for name in PICTURES),
        "transforms.json",
    }
    assert main(["generate", *arguments(weights, "--out", tmp_path / "one.png")]) == 0
    one, other = (np.array(Image.open(f)) for f in (tmp_path / "one.png", out / "result.png"))
    assert np.array_equal(one, other)

    found = json.loads(report.read_text())
    assert [part["part"] for part in found["parts"]] == [part.name for part in OPENPOSE18.parts]
    assert json.loads((out / "transforms.json").read_text())["parts"] == found["parts"]
    assert len(found["skips"]) == 5
    assert found["layers"] is None
    assert found["pair"]["said"] in said
    torso = found["parts"][0]
    assert torso["mask"] == 1
    # The torso's transform takes the mean of the target's corners to that of the source's.
    middle = {
        whose: np.mean([found[f"{whose}_joints"][joint] for joint in OPENPOSE18.parts[0].joints], 0)
        for whose in ("source", "target")
    }
    transform = np.array(torso["source_from_target"])
    assert transform @ [*middle["target"], 1] == pytest.approx(middle["source"], abs=1e-3)


def test_of_weights_with_layers_every_layer_is_written_and_measured(tmp_path):
    layers = LayersConfig(field_widths=(8, 8, 8), detail_widths=(4, 4))
    weights = save_tiny(tmp_path / "l.safetensors", blend=True, upsampling="resize", layers=layers)
    out, report = tmp_path / "out", tmp_path / "report.json"
    assert main(["explain", *arguments(weights, "--out", out, "--json", report)]) == 0
    assert {path.stem for path in out.glob("*.png")} == PICTURES | LAYERS
    assert main(["generate", *arguments(weights, "--out", tmp_path / "one.png")]) == 0
    one, other = (np.array(Image.open(f)) for f in (tmp_path / "one.png", out / "result.png"))
    assert np.array_equal(one, other)
    found = json.loads(report.read_text())["layers"]
    assert sum(found["made_of"].values()) == pytest.approx(1)
    assert json.loads((out / "transforms.json").read_text())["layers"] == found


def test_weights_that_move_no_parts_give_one_line(tmp_path, capsys):
    weights = save_tiny(tmp_path / "flat.safetensors", warp="none")
    assert main(["explain", *arguments(weights, "--out", tmp_path / "out")]) == 2
    complaint = capsys.readouterr().err
    assert "'none'" in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_missing_photo_gives_one_line_and_no_folder(tmp_path, capsys):
    weights = save_tiny(tmp_path / "tiny.safetensors")
    flags = arguments(weights, "--out", tmp_path / "out", source=tmp_path / "no.jpg")
    assert main(["explain", *flags]) == 2
    assert "no.jpg" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_photo_of_another_size_with_detected_poses_is_framed(tmp_path):
    large = tmp_path / "large.png"
    Image.open(SOURCE).resize((192, 384)).save(large)
    weights = save_tiny(tmp_path / "tiny.safetensors")
    flags = [str(large), str(PHOTOS[3][1]), "--weights", weights, "--out", str(tmp_path / "out")]
    assert main(["explain", *flags]) == 0
    assert Image.open(tmp_path / "out" / "result.png").size == (64, 128)
