"""Shares of a device's measured peaks."""

from deformgan.bench import peaks
from deformgan.models.generator import GeneratorConfig


def test_shares_of_a_peak_are_below_one_and_above_nothing(monkeypatch):
    monkeypatch.setattr(peaks, "COPIED", 2**22)
    monkeypatch.setattr(peaks, "SIDE", 128)
    monkeypatch.setattr(peaks, "BATCH", 1)
    tiny = GeneratorConfig(encoder_widths=(4, 6, 8), decoder_widths=(8, 6), warped_levels=2)
    monkeypatch.setattr(peaks, "GeneratorConfig", lambda: tiny)
    found = peaks.measure_peaks("cpu", 0.0, least=1)
    assert found.bytes_per_second > 1e8
    assert set(found.operations_per_second) == {"float32", "bfloat16"}
    assert set(found.shares) == {
        "deformable_skip",
        "nearest_neighbour_loss",
        "generator_float32",
        "generator_bfloat16",
    }
    assert all(value > 0 for value in found.shares.values())
