"""Pictures by size, batch, precision and threads."""

import pytest
import torch

from deformgan.bench import inference
from deformgan.bench.disk import disk_speed
from deformgan.bench.inference import Case, inference_cases


def test_cases_are_by_size_batch_precision_and_threads(monkeypatch):
    monkeypatch.setattr(inference.torch, "get_num_threads", lambda: 4)
    cases = inference_cases("cpu", quick=False)
    assert len(set(cases)) == len(cases)
    for what in ("generator", "pipeline"):
        mine = [case for case in cases if case.what == what and not case.compiled]
        assert {case.threads for case in mine} == {1, 4}
        assert {case.precision for case in mine} == {"float32", "bfloat16"}
        assert {case.size for case in mine} == {(128, 64), (256, 128), (512, 256)}
    assert {case.batch for case in cases} == {1, 8}
    assert all(case.threads is None for case in inference_cases("cuda", quick=False))
    assert len(inference_cases("cpu", quick=True)) == 3


@pytest.mark.parametrize(
    "case",
    [
        Case("generator", (64, 32), batch=2, precision="bfloat16", threads=1),
        Case("pipeline", (64, 32), threads=1),
        Case("detection", threads=1),
    ],
    ids=lambda case: case.what,
)
def test_a_case_is_timed_per_picture(layered_weights, monkeypatch, case):
    monkeypatch.setattr(inference, "WEIGHTS", layered_weights)
    (found,) = inference.inference_times([case], "cpu", 0.0, least=1)
    assert found.case == case
    assert found.seconds is not None
    assert 0 < found.seconds.median < 60
    assert torch.get_num_threads() == 1


def test_without_a_compiler_the_case_says_so(layered_weights, monkeypatch):
    monkeypatch.setattr(inference, "WEIGHTS", layered_weights)

    def refuse(network):
        def run(*_):
            raise RuntimeError("no C++ compiler\nfound")

        return run

    monkeypatch.setattr(inference.torch, "compile", refuse)
    case = Case("generator", (64, 32), threads=1, compiled=True)
    (found,) = inference.inference_times([case], "cpu", 0.0, least=1)
    assert (found.seconds, found.problem) == (None, "no C++ compiler")


def test_pictures_are_made_from_disk_to_disk():
    found = disk_speed("cpu", 2)
    assert found.images_per_second > 0
    assert all(seconds > 0 for seconds in found.seconds.values())
