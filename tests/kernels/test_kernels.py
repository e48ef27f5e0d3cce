"""The choice between Triton and PyTorch, and that a real compiler accepts the kernels."""

import inspect
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from deformgan import deformable_skip, kernels
from deformgan.losses import nearest_neighbour

GPU = SimpleNamespace(is_cuda=True, device=torch.device("cuda", 0))
find_kernel = inspect.unwrap(kernels.find_kernel)  # without the check that GPU is a tensor


@pytest.fixture
def working(monkeypatch):
    """Triton works on every device."""
    pytest.importorskip("triton", reason="needs the extra gpu")
    monkeypatch.setattr(kernels, "_runs_on", lambda device: True)


@pytest.mark.usefixtures("working")
def test_a_gpu_gets_kernels_as_long_as_bits_suffice():
    from deformgan.kernels.nearest_distance import nearest_distance
    from deformgan.kernels.warp_parts import warp_parts

    assert find_kernel("warp_parts", GPU, 62) is warp_parts
    assert find_kernel("warp_parts", GPU, 63) is None
    assert find_kernel("nearest_distance", GPU, 7) is nearest_distance
    assert find_kernel("nearest_distance", GPU, 9) is None


@pytest.mark.usefixtures("working")
def test_a_cpu_gets_pytorch():
    assert kernels.find_kernel("warp_parts", torch.zeros(1), 10) is None
    assert kernels.find_kernel("nearest_distance", torch.zeros(1), 3) is None


def test_without_triton_a_gpu_gets_pytorch_silently(monkeypatch, recwarn):
    monkeypatch.setattr(kernels, "find_spec", lambda name: None)
    kernels._runs_on.cache_clear()
    assert find_kernel("warp_parts", GPU, 10) is None
    assert not recwarn


def test_where_triton_fails_a_gpu_gets_pytorch_and_one_warning(monkeypatch):
    pytest.importorskip("triton", reason="needs the extra gpu")
    from deformgan.kernels import nearest_distance

    def fail(*_):
        raise RuntimeError("no C compiler")

    monkeypatch.setattr(nearest_distance, "nearest_distance", fail)
    kernels._runs_on.cache_clear()
    here = SimpleNamespace(is_cuda=True, device=torch.device("cpu"))
    with pytest.warns(UserWarning, match="no C compiler") as warned:
        found = [find_kernel("warp_parts", here, 10) for _ in range(2)]
    assert found == [None, None]
    assert len(warned) == 1
    kernels._runs_on.cache_clear()


def test_the_skip_and_the_loss_compute_with_the_kernel_they_find(monkeypatch):
    pytest.importorskip("triton", reason="needs the extra gpu")
    from deformgan.kernels.nearest_distance import nearest_distance
    from deformgan.kernels.warp_parts import warp_parts

    device = "cuda" if torch.cuda.is_available() else "cpu"
    features, masks = torch.randn(1, 2, 4, 6, device=device), torch.rand(1, 2, 4, 6) < 0.5
    theta = torch.eye(2, 3).expand(1, 2, 2, 3) * 0.8
    skip = (features, theta.to(device), masks.to(device))
    used = []

    def found(kernel):
        def run(*inputs):
            used.append(kernel.__name__)
            return kernel(*inputs)

        return run

    results = {}
    for chosen in ("PyTorch", "Triton"):
        given = {} if chosen == "PyTorch" else {"warp_parts": warp_parts, "loss": nearest_distance}
        for module, name in ((deformable_skip, "warp_parts"), (nearest_neighbour, "loss")):
            kernel = found(given[name]) if given else None
            monkeypatch.setattr(module, "find_kernel", lambda *_, kernel=kernel: kernel)
        results[chosen] = [
            deformable_skip.warp_parts(*skip, way, kind)
            for way in ("bilinear", "nearest")
            for kind in ("max", "average")
        ]
        results[chosen].append(
            nearest_neighbour.nearest_neighbour_loss(features, features.flip(3), 3, "none")
        )
    assert used == ["warp_parts"] * 4 + ["nearest_distance"]
    torch.testing.assert_close(results["Triton"], results["PyTorch"], rtol=1e-6, atol=1e-6)


COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from deformgan.kernels import nearest_distance, warp_parts

def compile(kernel, **given):
    given |= {"REAL": triton.language.float32, "BITS": triton.language.int32}
    types = {name: given.pop(name) for name, kind in list(given.items()) if str(kind)[0] == "*"}
    given = {name: value for name, value in given.items() if name in kernel.arg_names}
    signature = {
        name: "constexpr" if name in given else types.get(name, "i32") for name in kernel.arg_names
    }
    source = ASTSource(kernel, signature, given)
    built = triton.compile(source, GPUTarget("cuda", 90, 32), {"enable_fp_fusion": False})
    print(kernel.__name__, len(built.asm["ptx"]))

for features in ("*fp32", "*bf16"):
    skip = {"TILE_HEIGHT": 8, "TILE_WIDTH": 16, "CHANNELS": 8, "AVERAGE": False, "KEEP": True}
    skip |= {name: features for name in ("features", "warped", "grad")} | {"masks": "*u8"}
    for name in ("theta", "centres_x", "centres_y", "features_grad", "theta_grad"):
        skip[name] = "*fp32"
    skip["winners"] = "*i16"
    for nearest in (False, True):
        compile(warp_parts._forward, NEAREST=nearest, **skip)
        compile(warp_parts._backward, NEAREST=nearest, MOVING=not nearest, **skip)
    loss = {"WINDOW": 3, "OFFSETS": 16, "PIXELS": 64, "CHANNELS": 16, "matches": "*i32"}
    loss |= {name: features for name in ("generated", "target", "gradient")}
    loss |= {"nearest": "*fp32", "upstream": "*fp32"}
    compile(nearest_distance._match, **loss)
    compile(nearest_distance._gradient, **loss)
"""


@pytest.mark.slow
def test_tritons_compiler_accepts_the_kernels_for_a_gpu_that_need_not_be_there(tmp_path):
    # The interpreter accepts more than the compiler.
    pytest.importorskip("triton", reason="needs the extra gpu")
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    (tmp_path / "compile_kernels.py").write_text(COMPILE)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "compile_kernels.py")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    compiled = [line.split() for line in done.stdout.splitlines()]
    assert len(compiled) == 12
    assert all(int(length) > 1000 for _, length in compiled)
