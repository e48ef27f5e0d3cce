"""Smaller weights in a graph: what changes, what stays, and by how much results differ."""

import numpy as np
import pytest

from deformgan.export.check import open_graph
from deformgan.export.onnx_graph import _align_channels, in_half, in_int8

onnx = pytest.importorskip("onnx", reason="needs the extra export")
pytest.importorskip("onnxruntime", reason="needs the extra export")


@pytest.fixture(scope="module")
def model():
    """Convolution, ReLU, transposed convolution without bias, on 6 channels."""
    random = np.random.default_rng(0)
    constants = {
        "w": random.normal(size=(8, 6, 3, 3)),
        "b": random.normal(size=8),
        "v": random.normal(size=(8, 2, 2, 2)),
    }
    nodes = [
        onnx.helper.make_node("Conv", ["x", "w", "b"], ["c"], "conv", pads=[1, 1, 1, 1]),
        onnx.helper.make_node("Relu", ["c"], ["r"], "relu"),
        onnx.helper.make_node("ConvTranspose", ["r", "v"], ["y"], "up", strides=[2, 2]),
    ]
    values = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, 6, 5, 7]), ("y", [1, 2, 10, 14]))
    ]
    graph = onnx.helper.make_graph(
        nodes,
        "tiny",
        values[:1],
        values[1:],
        [onnx.numpy_helper.from_array(w.astype(np.float32), n) for n, w in constants.items()],
    )
    opset = [onnx.helper.make_opsetid("", 18)]
    return onnx.helper.make_model(graph, opset_imports=opset, ir_version=10)


@pytest.fixture
def x():
    return {"x": np.random.default_rng(1).normal(size=(1, 6, 5, 7)).astype(np.float32)}


def run(model, given):
    return open_graph(model.SerializeToString())(given)["y"]


def constants(model):
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def test_int8_weights_are_the_nearest_of_256_per_output_channel(model, x):
    before = model.SerializeToString()
    small = in_int8(model)
    assert model.SerializeToString() == before
    found, given = constants(small), constants(model)
    for name, node, axis in (("w", "conv", 0), ("v", "up", 1)):
        assert found[f"{node}_int8"].dtype == np.int8
        shape = [1] * 4
        shape[axis] = -1
        scale = found[f"{node}_scale"].reshape(shape)
        assert np.abs(found[f"{node}_int8"]).max() == 127
        restored = found[f"{node}_int8"] * scale
        assert (np.abs(restored - given[name]) <= scale / 2 * 1.0001).all()
    np.testing.assert_array_equal(found["conv_bias"], given["b"])
    wanted = run(model, x)
    assert 0 < np.abs(run(small, x) - wanted).mean() < 0.01 * np.abs(wanted).mean()
    assert "w" not in found  # nothing that is not used


def test_half_weights_are_rounded_and_inputs_and_outputs_stay_float32(model, x):
    small = in_half(model)
    found = constants(small)
    assert {array.dtype for array in found.values()} == {np.dtype(np.float16)}
    casts = [node for node in small.graph.node if node.op_type == "Cast"]
    assert len(casts) == 4
    assert [value.type.tensor_type.elem_type for value in small.graph.input] == [
        onnx.TensorProto.FLOAT
    ]
    wanted = run(model, x)
    found = run(small, x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=0.05, rtol=0)
    assert len(small.SerializeToString()) < 0.75 * len(model.SerializeToString())


def test_a_layer_of_zeros_stays_zero_in_int8(model, x):
    empty = onnx.ModelProto()
    empty.CopyFrom(model)
    for tensor in empty.graph.initializer:
        zeros = np.zeros_like(onnx.numpy_helper.to_array(tensor))
        tensor.CopyFrom(onnx.numpy_helper.from_array(zeros, tensor.name))
    assert not run(in_int8(empty), x).any()


def test_aligned_channels_change_no_result(model, x):
    aligned = onnx.ModelProto()
    aligned.CopyFrom(model)
    _align_channels(aligned)
    onnx.checker.check_model(aligned, full_check=True)
    assert {array.shape for array in constants(aligned).values() if array.ndim == 4} == {
        (8, 8, 3, 3),
        (8, 2, 2, 2),
    }
    np.testing.assert_allclose(run(aligned, x), run(model, x), atol=1e-5, rtol=0)
