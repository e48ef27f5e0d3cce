"""Opening networks in ONNX's format."""

import sys

import pytest

from deformgan.detectors.onnx import open_onnx
from deformgan.errors import InputError


def test_says_who_needs_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r'^Somebody needs the extra "pose": .*deformgan\[pose\]'):
        open_onnx("Somebody", tmp_path / "x.onnx")


def test_refuses_a_file_of_another_kind_in_silence(tmp_path, capfd):
    pytest.importorskip("onnxruntime", reason="needs the extra pose")
    (tmp_path / "x.onnx").write_bytes(b"not a model" * 10)
    with pytest.raises(InputError, match="not an ONNX model"):
        open_onnx("Somebody", tmp_path / "x.onnx")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("threads", [1, 2])
def test_uses_as_many_threads_as_allowed(outside_weights, threads):
    pytest.importorskip("onnxruntime", reason="needs the extra pose")
    network = open_onnx("Somebody", outside_weights / "FastestDet.onnx", threads)
    assert network.get_session_options().intra_op_num_threads == threads
