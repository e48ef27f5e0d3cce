"""to_onnx, in_half, in_int8: a network as an ONNX graph, in three precisions."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deformgan.errors import InputError

OPSET = 18  # up to 19 GridSample has the form that browsers know

_ALIGNED = 4  # channels: for other multiples onnxruntime's convolutions on CPUs are slow
_OUTPUTS = {"Conv": 0, "ConvTranspose": 1}  # axis of the output channels in the weights


def open_onnx_library() -> Any:
    """Return the module `onnx`.

    Raises:
        InputError: If it or what converts to it is not installed.
    """
    try:
        import onnx
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(
            f'Exporting needs {error.name}; install the extra: pip install "deformgan[export]".'
        ) from None
    return onnx


def to_onnx(
    network: nn.Module,
    example: Sequence[Tensor],
    inputs: Sequence[str],
    outputs: Sequence[str],
    dynamic: Sequence[dict[int, Any]] | None = None,
) -> Any:
    """Convert a network.

    Args:
        network: A network of which no shape depends on data.
        example: Inputs; the graph has their types, and their shapes but for `dynamic` axes.
        inputs: Their names.
        outputs: Names of the results.
        dynamic: For every input, the axes of any length; see `torch.export`.

    Returns:
        An `onnx.ModelProto` without traces of this machine.
    """
    onnx = open_onnx_library()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            tuple(example),
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=None if dynamic is None else tuple(dynamic),
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    # Otherwise every node tells which line of which file it is from.
    for told in (model, model.graph, *model.graph.node, *model.graph.value_info):
        told.doc_string = ""
        del told.metadata_props[:]
    _align_channels(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def in_half(model: Any) -> Any:
    """Return a graph whose convolutions have weights, inputs and outputs in float16.

    Positions, norms and everything else stay in float32, as do the inputs and outputs of the graph.
    """
    from onnx import TensorProto, helper

    def convert(node: Any, weights: list[np.ndarray]) -> tuple[list, list]:
        name, (shown, *_), (result,) = node.name, node.input, node.output
        constants = [(f"{name}_{i}_half", w.astype(np.float16)) for i, w in enumerate(weights)]
        node.input[:] = [f"{name}_input_half", *(constant for constant, _ in constants)]
        node.output[:] = [f"{name}_output_half"]
        before = helper.make_node("Cast", [shown], node.input[:1], to=TensorProto.FLOAT16)
        after = helper.make_node("Cast", node.output, [result], to=TensorProto.FLOAT)
        return [before, node, after], constants

    return _with_convolutions(model, convert)


def in_int8(model: Any) -> Any:
    """Return a graph whose convolutions have weights in int8, with a scale per output channel.

    They are cast and multiplied, which runtimes do when they load the graph; what is computed is
    float32. `DequantizeLinear` would be repeated in every run by onnxruntime, with its slower
    convolution of weights that are not constant.
    """
    from onnx import TensorProto, helper

    def convert(node: Any, weights: list[np.ndarray]) -> tuple[list, list]:
        name, axis = node.name, _OUTPUTS[node.op_type]
        others = tuple(other for other in range(weights[0].ndim) if other != axis)
        scale = np.abs(weights[0]).max(axis=others, keepdims=True).clip(1e-12) / 127
        constants = [
            (f"{name}_int8", np.rint(weights[0] / scale).astype(np.int8)),
            (f"{name}_scale", scale.astype(np.float32)),
        ]
        (whole, _), (factor, _) = constants
        cast, weight = f"{name}_cast", f"{name}_weight"
        before = [
            helper.make_node("Cast", [whole], [cast], to=TensorProto.FLOAT),
            helper.make_node("Mul", [cast, factor], [weight]),
        ]
        if len(weights) > 1:
            constants.append((f"{name}_bias", weights[1]))
            node.input[2] = f"{name}_bias"
        node.input[1] = weight
        return [*before, node], constants

    return _with_convolutions(model, convert)


def _with_convolutions(
    model: Any, convert: Callable[[Any, list[np.ndarray]], tuple[list, list]]
) -> Any:
    """Replace every convolution and its weights by new nodes and constants."""
    onnx = open_onnx_library()
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type in _OUTPUTS and all(name in constants for name in node.input[1:]):
            weights = [onnx.numpy_helper.to_array(constants[name]) for name in node.input[1:]]
            added, kept = convert(node, weights)
            nodes += [onnx.NodeProto.FromString(one.SerializeToString()) for one in added]
            graph.initializer.extend(onnx.numpy_helper.from_array(w, name) for name, w in kept)
        else:
            nodes.append(onnx.NodeProto.FromString(node.SerializeToString()))
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    unused = [tensor for tensor in graph.initializer if tensor.name not in used]
    for tensor in unused:
        graph.initializer.remove(tensor)
    onnx.checker.check_model(changed, full_check=True)
    return changed


def _align_channels(model: Any) -> None:
    """Give convolutions channels of zeros, so that they are fast; results stay equal."""
    from onnx import helper, numpy_helper

    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        weight = constants.get(node.input[1]) if node.op_type == "Conv" else None
        lacking = 0 if weight is None else -weight.dims[1] % _ALIGNED
        if weight is not None and lacking and weight.dims[1] > _ALIGNED:
            name = node.name
            pads, aligned, wide = f"{name}_pads", f"{name}_aligned", f"{name}_wide"
            added = [(0, 0), (0, lacking), (0, 0), (0, 0)]
            ends = np.array(added).T.ravel()  # all that is added before, then all after
            graph.initializer.append(numpy_helper.from_array(ends, pads))
            array = np.pad(numpy_helper.to_array(weight), added)
            graph.initializer.append(numpy_helper.from_array(array, wide))
            nodes.append(helper.make_node("Pad", [node.input[0], pads], [aligned]))
            graph.initializer.remove(weight)
            node.input[:2] = [aligned, wide]
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
