"""Pictures after a joint has moved, by PyTorch and by exports."""

import pytest

from deformgan.bench import moved
from deformgan.bench.moved import MovedCase, moved_cases, moved_times
from deformgan.errors import InputError
from deformgan.export.export import export


@pytest.fixture
def small(layered_weights, monkeypatch):
    """A generator that a test can afford, without caches of other tests."""
    monkeypatch.setattr(moved, "WEIGHTS", layered_weights)
    caches = (moved._transfer, moved._check_case, moved._folder, moved._exports)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def test_cases_compare_what_is_kept_and_exported(monkeypatch):
    monkeypatch.setattr(moved.torch, "get_num_threads", lambda: 4)
    cases = moved_cases("cpu", quick=False)
    assert len(set(cases)) == len(cases)
    assert {case.backend for case in cases} == {"whole", "kept", "onnxruntime", "openvino"}
    assert {case.precision for case in cases if case.exported} == {"fp32", "fp16", "int8"}
    assert {case.threads for case in cases if not case.exported} == {1, 4}
    assert {case.size for case in cases} == {(128, 64), (512, 256)}
    assert not any(case.exported for case in moved_cases("cuda", quick=False))
    assert {case.backend for case in moved_cases("cpu", quick=True)} == {"whole", "kept"}


def test_a_kept_source_gives_the_same_picture(small):
    cases = [MovedCase(how, "float32", (96, 48)) for how in ("whole", "kept")]
    found = moved_times(cases, "cpu", 0.0, least=2)
    assert [one.difference for one in found] == [(0.0, 0.0)] * 2
    assert all(one.seconds is not None and one.seconds.repetitions == 2 for one in found)


def test_what_cannot_run_says_why(small, monkeypatch):
    def refuse(*_, **__):
        raise InputError("Exports need the extra 'export'.")

    monkeypatch.setattr(moved, "export", refuse)
    cases = [MovedCase("onnxruntime", "fp32", (96, 48)), MovedCase("kept", "float32", (96, 48))]
    exported, kept = moved_times(cases, "cpu", 0.0, least=1)
    assert (exported.seconds, exported.problem) == (None, "Exports need the extra 'export'.")
    assert kept.seconds is not None


@pytest.mark.slow
def test_exports_paint_the_picture_of_pytorch(small):
    cases = [MovedCase("kept", "float32", (96, 48))]
    cases += [MovedCase(backend, "fp32", (96, 48)) for backend in ("onnxruntime", "openvino")]
    found = moved_times(cases, "cpu", 0.0, least=1)
    for one in found[1:]:
        assert one.network is not None, one.problem
        assert one.difference is not None
        assert one.difference[0] < 0.01
        assert one.difference[1] <= 1


def test_the_export_is_made_once(small, monkeypatch):
    calls = []
    monkeypatch.setattr(moved, "export", lambda *given, **how: calls.append(given))
    assert moved._exports() == moved._exports()
    assert len(calls) == 1
    assert export is not moved.export
