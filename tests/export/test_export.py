"""Exports: what is in the folder, what is not when a check fails, and graphs that run elsewhere."""

import hashlib
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from deformgan.checkpoint import load_generator, save_generator
from deformgan.cli.main import main
from deformgan.export import export as module
from deformgan.export.check import GREY, check_cases, measure, open_graph
from deformgan.export.export import LIMITS, PRECISIONS, Variant, export, network_size
from deformgan.models.generator import Generator, GeneratorConfig
from deformgan.models.layers import LayersConfig
from tools.markdown import read_blocks

onnx = pytest.importorskip("onnx", reason="needs the extra export")
pytest.importorskip("onnxscript", reason="needs the extra export")

DOCS = Path(__file__).resolve().parents[2] / "docs"
SMALL = {
    "encoder_widths": (4, 6, 8),
    "decoder_widths": (8, 6),
    "warped_levels": 2,
    "heatmap_sigma": 3.0,
    "upsampling": "resize",
    "blend": True,
}
# The operators that onnxruntime-web has in WebAssembly and OpenVINO has, as far as we need them.
UNKNOWN_SHAPES = {"NonZero", "Unique", "Compress", "NonMaxSuppression", "If", "Loop", "Scan"}


def save(path: Path, **changes) -> Path:
    torch.manual_seed(1)
    generator = Generator(GeneratorConfig(**SMALL, **changes)).eval()
    for parameter in generator.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    metadata = {"size": [64, 32], "recipe": "tiny", "terms": "for tests only"}
    save_generator(path, generator, metadata)
    return path


def assert_described(folder: Path, report: dict) -> None:
    """Check names, sums and metadata of all files in an export."""
    files = {
        name: file for one in report["variants"].values() for name, file in one["files"].items()
    }
    assert {path.name for path in folder.iterdir()} == {*files, "export.json"}
    for name, file in files.items():
        content = (folder / name).read_bytes()
        assert file["bytes"] == len(content)
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert b"/src/deformgan" not in content
        model = onnx.load_from_string(content)
        onnx.checker.check_model(model, full_check=True)
        assert [opset.version for opset in model.opset_import if not opset.domain] == [18]
        props = {prop.key: prop.value for prop in model.metadata_props}
        assert props["terms"] == report["terms"]
        assert json.loads(props["joints"]) == report["joints"]
        assert json.loads(props["image_size"]) == report["image_size"]
        assert props["sha256"] == report["sha256"]
        assert {"exported_version", "exported_commit", "graph", "precision"} <= props.keys()
        assert not {node.op_type for node in model.graph.node} & UNKNOWN_SHAPES
        for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
            shape = value.type.tensor_type.shape.dim
            assert all(axis.HasField("dim_value") for axis in shape), value.name
        for node in model.graph.node:
            assert not node.doc_string
            assert not node.metadata_props


@pytest.mark.slow
def test_a_small_generator_with_layers_is_exported_by_the_command(tmp_path, capsys):
    layers = LayersConfig(rows=32, field_widths=(8, 8, 8), detail_widths=(6, 4))
    weights = save(tmp_path / "tiny.safetensors", layers=layers)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "source.int8.onnx").write_bytes(b"of an earlier export")
    (folder / "export.json").write_text("{}")
    code = main(["export", str(weights), "--out", str(folder), "--precision", "fp32", "fp16"])
    assert code == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in out] == ["fp32", "fp16"]
    report = json.loads((folder / "export.json").read_text())
    assert_described(folder, report)
    assert report["weights"] == "tiny"
    assert report["output"] == "layers"
    assert (report["photo_size"], report["image_size"]) == ([64, 32], [32, 16])
    assert report["failures"] == []
    assert report["variants"]["fp32"]["difference_in_grey_levels"]["largest"] <= LIMITS["fp32"]
    assert_example_of_the_docs_runs(folder)


@pytest.mark.slow
@pytest.mark.parametrize("background", [False, True])
def test_a_small_generator_without_layers_is_exported(tmp_path, background):
    weights = save(tmp_path / "tiny.safetensors", background=background)
    folder = tmp_path / "out"
    folder.mkdir()
    result = export(weights, folder, ("fp32",), people=3)
    assert not result.failures
    report = json.loads((folder / "export.json").read_text())
    assert_described(folder, report)
    assert report["output"] == "picture"
    pose = onnx.load(folder / "pose.onnx")
    assert ("background" in [value.name for value in pose.graph.input]) == background
    assert [value.name for value in pose.graph.output] == ["picture"]


def _python_of_the_docs() -> list[str]:
    return [block.code for block in read_blocks(DOCS / "export.md") if block.language == "python"]


def assert_example_of_the_docs_runs(folder: Path) -> None:
    """Run the code of docs/export.md, and compare its picture with the generator's."""
    blocks = _python_of_the_docs()
    generator, metadata = load_generator(folder.parent / "tiny.safetensors")
    (case, *_) = check_cases(generator, network_size(generator, tuple(metadata["size"])), people=1)
    names: dict = {
        "folder": str(folder),
        "photo": case.photo,
        **{name: case.source[name][0] for name in ("source_joints", "source_visible")},
        **{name: case.target[name][0] for name in ("target_joints", "target_visible")},
        "size": case.picture.shape[1:],
    }
    exec("".join(blocks), names)
    assert np.abs(names["picture"] - case.picture).max() <= 1e-3


def test_the_decoder_of_the_docs_is_the_one_that_is_checked():
    source = Path(module.__file__).with_name("decode.py").read_text()
    blocks = _python_of_the_docs()
    decoder = source.partition('"""\n\n')[2]
    assert decoder.strip() in {block.strip() for block in blocks}


@pytest.fixture
def converted(monkeypatch):
    """Replace the conversion and the measurement by ones that take no time."""
    graph = onnx.helper.make_graph([], "none", [], [])

    def convert(generator, size, case):
        opset = [onnx.helper.make_opsetid("", 18)]
        return {
            name: onnx.helper.make_model(graph, opset_imports=opset) for name in ("source", "pose")
        }

    monkeypatch.setattr(module, "_convert", convert)
    monkeypatch.setattr(module, "open_graph", lambda model: model)
    found = dict.fromkeys(PRECISIONS, 0.0)

    def measured(cases, source, pose):
        precision = {p.key: p.value for p in onnx.load_from_string(pose).metadata_props}[
            "precision"
        ]
        value = found[precision]
        return module.Difference(value, value, value, value, {})

    monkeypatch.setattr(module, "measure", measured)
    monkeypatch.setattr(
        module, "measure_half", lambda *arguments: module.Difference(0.0, 0.0, 0.0, 0.0, {})
    )
    return found


def test_a_failed_check_leaves_nothing_behind(converted, tmp_path, capsys):
    weights, folder = save(tmp_path / "tiny.safetensors"), tmp_path / "a" / "out"
    converted["fp32"] = 0.2
    assert main(["export", str(weights), "--out", str(folder)]) == 1
    said = capsys.readouterr()
    assert (
        "fp32: the largest difference from PyTorch is 0.2 grey levels, more than 0.128" in said.err
    )
    assert not said.out
    assert not folder.exists()
    # ... and an earlier export as it was.
    folder.mkdir(parents=True)
    (folder / "source.onnx").write_bytes(b"earlier")
    assert main(["export", str(weights), "--out", str(folder)]) == 1
    assert [path.name for path in folder.iterdir()] == ["source.onnx"]


def test_a_variant_that_fails_its_check_is_not_written_and_named(converted, tmp_path, capsys):
    weights, folder = save(tmp_path / "tiny.safetensors"), tmp_path / "out"
    converted["int8"] = 1.5
    assert main(["export", str(weights), "--out", str(folder)]) == 1
    assert "not written: int8: the mean difference from PyTorch is 1.5" in capsys.readouterr().err
    names = {"source.onnx", "pose.onnx", "source.fp16.onnx", "pose.fp16.onnx", "export.json"}
    assert {path.name for path in folder.iterdir()} == names
    report = json.loads((folder / "export.json").read_text())
    assert list(report["variants"]) == ["fp32", "fp16"]
    assert len(report["failures"]) == 1


def test_only_what_is_asked_for_is_written(converted, tmp_path):
    weights, folder = save(tmp_path / "tiny.safetensors"), tmp_path / "out"
    assert main(["export", str(weights), "--out", str(folder), "--precision", "int8"]) == 0
    names = {"source.int8.onnx", "pose.int8.onnx", "export.json"}
    assert {path.name for path in folder.iterdir()} == names


def test_weights_that_cannot_be_exported_are_refused_in_one_line(tmp_path, capsys):
    folder = tmp_path / "out"
    for changes, words in (
        ({"skeleton": "quadruped20"}, "their skeleton is quadruped20"),
        ({"interpolation": "nearest"}, "their interpolation is nearest"),
    ):
        weights = save(tmp_path / "tiny.safetensors", **changes)
        assert main(["export", str(weights), "--out", str(folder)]) == 2
        said = capsys.readouterr().err
        assert "cannot be exported" in said
        assert words in said
        assert len(said.strip().splitlines()) == 1
        assert not folder.exists()
    assert main(["export", str(weights), "--out", str(folder), "--precision"]) == 2
    assert "--precision is empty; it must name some of fp32, fp16, int8" in capsys.readouterr().err
    assert main(["export", "nothing", "--out", str(folder)]) == 2
    assert "No weights 'nothing'" in capsys.readouterr().err
    assert not folder.exists()


def test_without_the_extra_the_line_says_what_to_install(monkeypatch, tmp_path, capsys):
    import sys

    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert main(["export", "synthetic", "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert 'Exporting needs onnxscript; install the extra: pip install "deformgan[export]"' in said
    assert not (tmp_path / "out").exists()


def test_the_difference_of_half_precision_counts_too():
    none = module.Difference(0.0, 0.0, 0.0, 0.0, {})
    far = module.Difference(9.0, 0.7, 9.0, 9.0, {})
    assert Variant("fp16", {}, none, none).failure is None
    assert "0.7 grey levels, more than 0.5" in str(Variant("fp16", {}, none, far).failure)
    assert "9 grey levels, more than 0.1" in str(Variant("fp32", {}, far, None).failure)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("weights", ["pedestrian", "synthetic", "pedestrian-base"])
def test_bundled_weights_are_exported_and_openvino_agrees(weights, tmp_path):
    result = export(weights, tmp_path)
    assert not result.failures
    assert [variant.precision for variant in result.written] == list(PRECISIONS)
    assert_described(tmp_path, json.loads((tmp_path / "export.json").read_text()))
    openvino = pytest.importorskip("openvino", reason="openvino is not installed: not compared")
    generator, metadata = load_generator(weights, background=True)
    cases = check_cases(generator, network_size(generator, tuple(metadata["size"])), people=3)
    core = openvino.Core()

    def load(content):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # In bfloat16, its default where a CPU has units for it, positions are pixels off.
            config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
            graph = core.compile_model(core.read_model(content), "CPU", config)

        def run(given):
            inputs = {value.get_any_name(): given[value.get_any_name()] for value in graph.inputs}
            found = graph(inputs)
            return {value.get_any_name(): found[value] for value in graph.outputs}

        return run

    for variant in result.written:
        difference = measure(cases, *map(load, variant.files.values()))
        other = measure(cases, *map(open_graph, variant.files.values()))
        assert difference.largest <= other.largest + 1e-3 * GREY, variant.precision
