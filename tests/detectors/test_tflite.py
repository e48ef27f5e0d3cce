"""What opens as a network of TensorFlow Lite and what does not."""

import sys

import pytest

from deformgan.detectors.tflite import open_tflite
from deformgan.errors import InputError


def test_a_missing_library_is_named_by_its_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    (tmp_path / "x.tflite").touch()
    with pytest.raises(InputError, match=r'movenet needs .* "deformgan\[pose\]"'):
        open_tflite("movenet", tmp_path / "x.tflite")


@pytest.mark.parametrize("content", [b"", b"not a model" * 10])
def test_a_file_of_another_kind_is_refused_in_silence(tmp_path, content, capfd):
    pytest.importorskip("ai_edge_litert", reason="needs the extra pose")
    (tmp_path / "x.tflite").write_bytes(content)
    with pytest.raises(InputError, match="not a TensorFlow Lite model"):
        open_tflite("movenet", tmp_path / "x.tflite")
    assert capfd.readouterr().err == ""


def test_a_network_opens_in_silence(outside_weights, capfd):
    pytest.importorskip("ai_edge_litert", reason="needs the extra pose")
    network = open_tflite("movenet", outside_weights / "movenet_single_pose_lightning_ptq.tflite")
    assert network.get_output_details()[0]["shape"].tolist() == [1, 1, 17, 3]
    assert capfd.readouterr().err == ""
