"""Fixtures of the whole suite: the shared material, and a machine that is not oversubscribed."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

# Before torch is imported, and inherited by every command that a test starts: with several threads
# per worker on a busy two-core machine, a step takes ten times as long as with one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

# Before triton is imported: without a GPU, its interpreter runs the kernels on the CPU.
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")

PROJECT = Path(__file__).resolve().parent.parent
SHARED = PROJECT.parent / "shared"


def shared_path(*parts: str) -> Path:
    """Find shared material beside the checkout, or skip the test and say what is missing."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs ../shared/{'/'.join(parts)}, which is not beside this checkout")
    return path


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of read-only material beside the checkout."""
    return shared_path()


@pytest.fixture(scope="session")
def golden() -> Path:
    """Numbers computed by the authors' own code on synthetic inputs."""
    return shared_path("golden")


@pytest.fixture(scope="session")
def market1501() -> Path:
    """The part of Market-1501 that is at hand, in its official layout."""
    return shared_path("market1501")


@pytest.fixture(scope="session")
def cuhk03() -> Path:
    """The first camera pair of CUHK03, 256x96."""
    return shared_path("cuhk03")


@pytest.fixture(scope="session")
def outside_weights() -> Path:
    """Networks of other people: VGG-19's first layers, detectors, a Re-ID embedding."""
    return shared_path("weights")


@pytest.fixture(scope="session")
def keras_layout() -> ModuleType:
    """Write the authors' networks as Keras 2 does: see tests/keras_layout.py."""
    pytest.importorskip("h5py", reason="needs the extra keras")
    spec = spec_from_file_location("keras_layout", PROJECT / "tests" / "keras_layout.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# (x, y) in a frame of 64x128 pixels, in the order of openpose18.
STANDING = [
    *[(32, 14), (32, 24), (24, 26), (20, 42), (18, 58), (40, 26), (44, 42), (46, 58), (27, 60)],
    *[(26, 84), (25, 108), (37, 60), (38, 84), (39, 108), (30, 12), (34, 12), (28, 13), (36, 13)],
]


@pytest.fixture(scope="session")
def people() -> Callable[..., Any]:
    """Return a function that makes a batch of standing people, each a little different."""
    # Imported here because the shape checks are not installed yet when this file is read.
    from deformgan.pose import Pose

    def stand(
        batch: int = 4, size: tuple[int, int] = (128, 64), seed: int = 0, hidden: float = 0.0
    ) -> Pose:
        random = torch.Generator().manual_seed(seed)
        joints = torch.tensor(STANDING, dtype=torch.float32).repeat(batch, 1, 1)
        joints = joints + 2.5 * torch.randn(joints.shape, generator=random)
        joints = joints * torch.tensor([size[1] / 64, size[0] / 128])
        return Pose(joints, torch.rand(batch, 18, generator=random) >= hidden)

    return stand


@pytest.fixture(autouse=True)
def one_thread_and_a_fixed_seed():
    """Reset all random state, so that tests do not depend on their order."""
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def pair_set(people, tmp_path) -> Callable[..., Any]:
    """Return a function that writes photos of noise, their poses and a pair list, as users do."""

    def write(count: int = 6, size: tuple[int, int] = (128, 64), name: str = "set") -> Path:
        from PIL import Image

        from deformgan.datasets.pairs import write_pairs
        from deformgan.pose_formats import Annotations, write_annotations

        folder = tmp_path / name
        (folder / "images").mkdir(parents=True)
        names = [f"person.{row}.png" for row in range(count)]
        random = torch.Generator().manual_seed(count)
        for photo in names:
            # Noise of 8 px, so that it has structure that blur and shifts change.
            rows, columns = size[0] // 8, size[1] // 8
            small = torch.randint(0, 256, (rows, columns, 3), generator=random, dtype=torch.uint8)
            image = Image.fromarray(small.numpy()).resize((size[1], size[0]))
            image.save(folder / "images" / photo)
        write_annotations(folder / "poses.csv", Annotations(names, people(count, size)))
        pairs = [(names[row], names[(row + 1) % count]) for row in range(count)]
        write_pairs(folder / "pairs.csv", pairs)
        return folder

    return write


@pytest.fixture
def write_cuhk03(people) -> Callable[..., Any]:
    """Return a function that writes a few people of noise in one of CUHK03's layouts."""

    def write(layout: str, root: Path) -> dict[str, list[str]]:
        """Return the names of training photos, queries and gallery."""
        root.mkdir(parents=True)
        if layout == "first-pair":
            names = [f"{who:04d}_{number:02d}.jpg" for who in range(5) for number in (0, 3, 5, 9)]
            _write_posed(root / "images", names, root / "annotation.csv", people)
            split = {"train": ["0000", "0001", "0002"], "test": ["0003", "0004"]}
            (root / "identity-split.json").write_text(json.dumps(split))
            return {"train": names[:12], "query": names[12::2], "gallery": names[12:]}
        if layout == "extracted":  # people of two camera pairs, divided by torchreid's file
            names = [
                f"{who}_{camera}_{number:02d}.png"
                for who in ("1_001", "1_002", "5_001", "5_002", "5_003")
                for camera, numbers in ((1, (1, 2)), (2, (6, 7)))
                for number in numbers
            ]
            _write_posed(root / "images_labeled", names, root / "annotation-labeled.csv", people)
            parts = {"train": names[:12], "query": names[12::2], "gallery": names[13::2]}
            split = {
                part: [[f"/data/{name}", 0, int(name[6]) - 1] for name in listed]
                for part, listed in parts.items()
            }
            (root / "splits_new_labeled.json").write_text(json.dumps([split]))
            return parts
        pairs = [(camera, number) for camera in (1, 2) for number in (1, 2)]
        parts = {
            "train": [f"{who:04d}_c{c}_{n}_0001.png" for who in (1, 2, 3) for c, n in pairs],
            "query": [f"0004_c{camera}_1_0001.png" for camera in (1, 2)],
            "gallery": [f"{who:04d}_c{c}_{n + 1}_0001.png" for who in (4, 5) for c, n in pairs],
        }
        folders = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
        inside = root / "labeled"
        for first, (part, names) in enumerate(parts.items()):
            table = inside / f"annotation-{part.replace('gallery', 'test')}.csv"
            _write_posed(inside / folders[part], names, table, people, 100 * first)
        return parts

    return write


def _write_posed(folder: Path, names: list[str], table: Path, people, first: int = 0) -> None:
    from PIL import Image

    from deformgan.pose_formats import Annotations, write_annotation_csv

    folder.mkdir(parents=True)
    for row, name in enumerate(names, first):
        random = torch.Generator().manual_seed(row)
        noise = torch.randint(0, 256, (16, 6, 3), generator=random, dtype=torch.uint8)
        Image.fromarray(noise.numpy()).resize((96, 256)).save(folder / name)
    write_annotation_csv(table, Annotations(names, people(len(names), (256, 96), seed=first)))


@pytest.fixture(scope="session")
def tiny_generator():
    """A generator of 128x64 pictures with four channels, random."""
    from deformgan.models.generator import Generator, GeneratorConfig

    torch.manual_seed(0)
    config = GeneratorConfig(encoder_widths=(4,) * 6, decoder_widths=(4,) * 5, blend=True)
    return Generator(config)


@pytest.fixture(scope="session")
def layered_weights(tmp_path_factory) -> Path:
    """A file of tiny weights with layers, random in all that begins at zero."""
    from deformgan.checkpoint import save_generator
    from deformgan.models.generator import Generator, GeneratorConfig
    from deformgan.models.layers import LayersConfig

    torch.manual_seed(5)
    generator = Generator(
        GeneratorConfig(
            encoder_widths=(4,) * 6,
            decoder_widths=(4,) * 5,
            upsampling="resize",
            blend=True,
            layers=LayersConfig(field_widths=(8, 8, 8), detail_widths=(8, 8)),
        )
    )
    with torch.no_grad():
        for parameter in generator.parameters():
            if not parameter.any():
                parameter.normal_(std=0.1)
    path = tmp_path_factory.mktemp("layered") / "layered.safetensors"
    save_generator(path, generator.eval(), {"size": [256, 128], "recipe": "tiny"})
    return path


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window, for pages that a test opens."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("needs Debian's chromium: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@pytest.fixture
def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def start_server():
    """Return a function that starts a deformgan command and waits until an address answers.

    What it started ends with the test.
    """
    servers: list[subprocess.Popen[str]] = []

    def start(words: list[str], address: str, seconds: float = 180) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "deformgan", *words]
        pipe = subprocess.PIPE
        server = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)
        servers.append(server)
        for _ in range(int(10 * seconds)):
            if server.poll() is not None:
                raise AssertionError(server.communicate())
            try:
                urllib.request.urlopen(address, timeout=1).read()
            except OSError:
                time.sleep(0.1)
            else:
                return server
        raise AssertionError(f"{address} does not answer")

    yield start
    for server in servers:
        server.kill()
        server.wait()
