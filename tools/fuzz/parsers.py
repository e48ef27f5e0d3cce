"""Every parser of files from outside, with a valid file of each form to begin from.

A parser returns a value or raises `InputError`, whatever is in the file. Used by `tests/fuzz` and
`benchmarks/fuzz.py`.
"""

import io
import json
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from deformgan.animated_picture import AnimatedPicture
from deformgan.backbones.vgg19 import Vgg19Features
from deformgan.checkpoint import load_generator
from deformgan.datasets.cuhk03 import read_extracted_split
from deformgan.datasets.doctor.leaks import read_split
from deformgan.datasets.pairs import read_pairs
from deformgan.datasets.splits import read_identity_split
from deformgan.datasets.surfaces import read_surface
from deformgan.errors import InputError
from deformgan.evaluation.comparison import Report, compare_reports
from deformgan.evaluation.comparison_tables import write_latex, write_markdown
from deformgan.photo_file import read_photo
from deformgan.pose_formats import read_annotations
from deformgan.recipes import RECIPES
from deformgan.reid.augment_report import AugmentReport, Tally
from deformgan.reid.baseline import load_baseline
from deformgan.reid.experiment_runs import PlannedRun, read_results
from deformgan.reid.features import open_features
from deformgan.reid.manifest import read_manifest
from deformgan.skeletons import find_skeleton_file
from deformgan.studio.protocol import MessageError, pack, read_request
from deformgan.study.answers import read_answers
from deformgan.study.config import read_study
from deformgan.study.report import summarize, to_markdown
from deformgan.study.store import Store
from deformgan.training.records import Records
from deformgan.training.settings import change_settings, read_toml

_LONG = 3000  # characters of a message
_FOLDER = Path(__file__).parents[2] / "src" / "deformgan" / "skeletons"


@dataclass(frozen=True)
class Parser:
    """A parser and what to feed it.

    Attributes:
        parse: Reads a file.
        name: Name that the file must have.
        seeds: Contents of valid files, text or bytes.
    """

    parse: Callable[[Path], object]
    name: str
    seeds: list[str] | list[bytes]


def _triples(joints: int) -> list[int]:
    return [number for joint in range(joints) for number in (9 + joint, 20 + 3 * joint, 1)]


def _pose_files() -> list[str]:
    instance = {
        "keypoints": [[9 + n, 20 + 3 * n] for n in range(17)],
        "keypoint_scores": [0.9] * 17,
        "bbox": [[1, 2, 30, 90]],
    }
    contents: list[object] = [
        {"skeleton": "openpose18", "poses": {"a.jpg": {"nose": [3, 4], "neck": [5, 9.5]}}},
        {"version": 1.3, "people": [{"pose_keypoints_2d": _triples(25)}]},
        {"people": [{"pose_keypoints_2d": _triples(18)}], "canvas_width": 64, "canvas_height": 128},
        {
            "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 128}],
            "annotations": [{"image_id": 1, "category_id": 1, "keypoints": _triples(17)}],
        },
        [{"image_id": "a.jpg", "category_id": 1, "keypoints": _triples(17), "score": 2.5}],
        [{"frame_id": 0, "instances": [instance]}],
        {"meta_info": {}, "instance_info": [{"frame_id": 1, "instances": [instance]}]},
        [instance],
    ]
    return [json.dumps(content) for content in contents]


_ROW = f"a.jpg: {[4 + n for n in range(18)]}: {[2 * n for n in range(18)]}"
_TABLE = f"name:keypoints_y:keypoints_x\n{_ROW}\n{_ROW.replace('a.jpg', 'b.jpg')}\n"
_MANIFEST = (
    '{"name": "0002_c1s1_000451_03g1.jpg", "source": "0002_c1s1_000451_03.jpg", "target": '
    '"0002_c1s1_000451_03.jpg", "identity": "0002", "label": "same", "camera": 1, "number": 1, '
    '"seed": 0, "attempt": 0, "weights": "pedestrian", "weights_sha256": "00", "scores": '
    '{"pose": 0.5}}\n'
)
_SPLIT = '{"train": ["0002", "0003"], "test": ["0007"]}'
_CUHK03 = json.dumps([{part: [["1_001_1_01.png", 0, 0]] for part in ("train", "query", "gallery")}])
_SETTINGS = """steps = 100
learning_rate = 2e-4
data = "x"

[weights]
l1 = 100
nearest_neighbour = 0.5

[generator]
encoder-widths = [16, 32, 64]
norm = "joint"
"""
_STUDIES = [
    """mode = "real-or-fake"
database = "s.sqlite"
seed = 3
practice = 2
seconds = 1.5
participants = 9

[real]
folder = "real"
count = 4
[generated]
folder = "made"
name = "ours"
""",
    'mode = "preference"\ndatabase = "s.sqlite"\nreference = "r"\ncount = 5\n'
    '[a]\nfolder = "a"\n[b]\nfolder = "b"\n',
]
_REPORT = json.dumps(
    {
        "protocol": {"name": "deformgan-1", "size": [128, 64], "pairs": 2},
        "metrics": {
            "ssim": {"value": 0.5, "ci95": [0.4, 0.6], "what": "similarity"},
            "l1": {"value": 0.1, "ci95": None},
        },
        "unavailable": {"fid": "no weights"},
        "pairs": {
            "from": ["a", "b"],
            "to": ["c", "d"],
            "asked_joints": [1, 2],
            "numbers": {"ssim": [0.4, 0.6], "l1": [0.1, None]},
        },
        "system": {"weights": "pedestrian"},
    }
)


def _photos() -> list[bytes]:
    picture = Image.effect_noise((12, 20), 60).convert("RGB")
    picture.getexif()[0x0112] = 6
    found = []
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF"):
        file = io.BytesIO()
        picture.save(file, kind, **({"exif": picture.getexif()} if kind != "BMP" else {}))
        found.append(file.getvalue())
    return found


def _safetensors(metadata: dict[str, str], shape: list[int]) -> bytes:
    numbers = int(np.prod(shape))
    tensor = {"dtype": "F32", "shape": shape, "data_offsets": [0, 4 * numbers]}
    header = json.dumps({"__metadata__": metadata, "w": tensor}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(4 * numbers)


def _weights() -> list[bytes]:
    config = {"encoder_widths": [4, 8], "decoder_widths": [8, 4], "skeleton": "openpose18"}
    described = {"config": json.dumps(config), "metadata": "{}"}
    based = {"base": "pedestrian", "base_sha256": "00"}
    return [_safetensors(described, [2, 3]), _safetensors(described | based, [1])]


def _vectors() -> list[bytes]:
    file = io.BytesIO()
    np.savez(file, names=np.array(["a", "b"]), vectors=np.eye(2, dtype=np.float32))
    return [file.getvalue()]


def _settings(path: Path) -> object:
    return change_settings(RECIPES["quickstart"](), read_toml(path), str(path))


def _compared(path: Path) -> object:
    systems = [Report.read(path, "ours"), Report.read(path, "theirs")]
    comparison = compare_reports(systems, across_protocols=True)
    return write_markdown(comparison), write_latex(comparison), json.dumps(comparison)


def _skeletons() -> list[str]:
    return [(_FOLDER / f"{name}.json").read_text() for name in ("openpose18", "hand21")]


_RUN = PlannedRun("light-ide", "real", 1, "none", 100, None, True, 0)
_TALLY = {
    "counts": {"asked": 4, "drawn": 5, "written": 4, "given_up": 0},
    "rejected_by": {"pose": 1},
    "scores": {"pose": 2.5},
    "seconds": {"read": 0.25},
}


def _results() -> list[str]:
    scores = {"map": 0.5, "rank1": 0.75, "minp": 0.25}
    result = {
        "metrics": {**scores, "rank5": 1.0},
        "photos": {"real": 8, "generated": 0, "missing": 0, "identities": 4, "alpha": 1.0},
        "queries": {"person": "0005 0006", **dict.fromkeys(scores, "0.5 1")},
        "run": asdict(_RUN),
    }
    return [json.dumps(result)]


def _reports_of_augmentation() -> list[str]:
    report = AugmentReport({"seed": 0}, {"asked": 4}, {"pose": 1}, 0.8, {"pose": 0.5})
    return [json.dumps(asdict(report))]


def _surfaces() -> list[bytes]:
    file = io.BytesIO()
    place = np.ones((6, 4, 3), dtype=np.float16)
    np.savez_compressed(file, place=place, layer=np.zeros((6, 4), dtype=np.uint8))
    return [file.getvalue()]


def _networks() -> list[bytes]:
    file = io.BytesIO()
    layers = {"conv1_1": (64, 3, 3, 3), "conv1_2": (64, 64, 3, 3)}
    arrays = {f"{name}.weight": np.zeros(shape, np.float32) for name, shape in layers.items()}
    biases = {f"{name}.bias": np.zeros(64, np.float32) for name in layers}
    np.savez_compressed(file, allow_pickle=False, **arrays, **biases)
    return [file.getvalue()]


def _films() -> list[bytes]:
    frames = [Image.new("RGB", (8, 12), (60 * n, 0, 90)) for n in range(3)]
    found = []
    for kind in ("GIF", "WEBP", "PNG", "AVIF"):
        file = io.BytesIO()
        frames[0].save(file, kind, save_all=True, append_images=frames[1:], duration=40)
        found.append(file.getvalue())
    return found


def _databases() -> list[bytes]:
    with TemporaryDirectory() as folder:
        for side in ("real", "generated"):
            (Path(folder) / side).mkdir()
            for number in range(3):
                Image.new("RGB", (8, 16), (80 * number, 0, 0)).save(f"{folder}/{side}/{number}.png")
        study = Path(folder) / "s.toml"
        sides = (f'[{side}]\nfolder = "{side}"\ncount = 2\n' for side in ("real", "generated"))
        study.write_text('mode = "real-or-fake"\npractice = 1\n' + "".join(sides))
        store = Store(read_study(study))
        for who in (store.join(), store.join()):
            for position in range(store.done(who)[1]):
                store.answer(who, position, "real" if position % 2 else "fake", 900.0 + position)
        one_file = Path(folder) / "copy.sqlite"
        with (
            closing(sqlite3.connect(read_study(study).database)) as base,
            closing(sqlite3.connect(one_file)) as copy,
        ):
            base.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
        return [one_file.read_bytes()]


def _studied(path: Path) -> object:
    return to_markdown(summarize(read_answers(path), unfinished=True))


def _message(path: Path) -> object:
    try:
        return read_request(path.read_bytes())
    except MessageError as error:
        raise InputError(str(error)) from None


def _messages() -> list[bytes]:
    pose = {"joints": [[1.5, 2.0]] * 18, "visible": [True] * 18}
    headers: list[dict[str, Any]] = [
        {"n": 1, "do": "open", "slot": 0, "find": True},
        {"n": 2, "do": "use", "poses": [pose], "rows": 128, "weights": "pedestrian"},
        {"n": 3, "do": "move", "pose": pose},
    ]
    return [pack(header, b"abc") for header in headers]


PARSERS = {
    "pose files": Parser(read_annotations, "p.json", _pose_files()),
    "frames of a film": Parser(
        lambda path: read_annotations(path, skip_odd=True), "p.json", _pose_files()
    ),
    "annotation CSV": Parser(read_annotations, "a.csv", [_TABLE]),
    "pairs": Parser(read_pairs, "p.csv", ['from,to\na.jpg,b.jpg\n"c,1.jpg",d.jpg\n']),
    "manifests": Parser(read_manifest, "manifest.jsonl", [2 * _MANIFEST, _MANIFEST]),
    "identity splits": Parser(
        lambda path: read_identity_split(path.parent), "identity-split.json", [_SPLIT]
    ),
    "identity splits, checked": Parser(read_split, "identity-split.json", [_SPLIT]),
    "CUHK03 splits": Parser(read_extracted_split, "s.json", [_CUHK03]),
    "settings": Parser(_settings, "c.toml", [_SETTINGS]),
    "studies": Parser(read_study, "s.toml", _STUDIES),
    "reports": Parser(_compared, "r.json", [_REPORT]),
    "skeletons": Parser(lambda path: find_skeleton_file(str(path)), "k.json", _skeletons()),
    "generators": Parser(load_generator, "w.safetensors", _weights()),
    "baselines": Parser(load_baseline, "b.safetensors", _weights()),
    "vectors": Parser(lambda path: open_features(str(path)), "v.npz", _vectors()),
    "photos": Parser(read_photo, "p.jpg", _photos()),
    "animated pictures": Parser(lambda path: list(AnimatedPicture(path)), "p.gif", _films()),
    "surfaces": Parser(read_surface, "s.npz", _surfaces()),
    "VGG-19": Parser(Vgg19Features, "v.npz", _networks()),
    "metrics of a run": Parser(
        lambda path: Records(path.parent, 3), "metrics.jsonl", ['{"step": 2, "l1": 0.5}\n' * 3]
    ),
    "results of an experiment": Parser(
        lambda path: read_results([_RUN], path.parents[2]),
        f"runs/{_RUN.name}/result.json",
        _results(),
    ),
    "tallies": Parser(Tally.load, "tally-000000.json", [json.dumps(_TALLY)]),
    "reports of augmentation": Parser(
        AugmentReport.load, "augment-report.json", _reports_of_augmentation()
    ),
    "answers of a study": Parser(_studied, "s.sqlite", _databases()),
    "messages to the studio": Parser(_message, "m.bin", _messages()),
}


class TooSlowError(BaseException):
    """A case used up its processor time; no parser may catch it."""


@contextmanager
def limited(seconds: float) -> Generator[None]:
    """Limit the processor time of this process; needs its main thread, and does nothing on Windows.

    Raises:
        TooSlowError: If the time is over.
    """
    try:
        from signal import ITIMER_VIRTUAL, SIGVTALRM, setitimer, signal
    except ImportError:
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise TooSlowError(f"more than {seconds:g} s of processor time")

    before = signal(SIGVTALRM, stop)
    setitimer(ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        setitimer(ITIMER_VIRTUAL, 0)
        signal(SIGVTALRM, before)


def refused(parser: Parser, content: bytes, folder: Path, seconds: float = 20.0) -> bool:
    """Parse one case.

    Args:
        parser: The parser.
        content: What is in the file.
        folder: Where to write the file.
        seconds: Limit of processor time.

    Returns:
        Whether it was refused with `InputError`; False if there is a value.
    """
    path = folder / parser.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    with limited(seconds):
        try:
            parser.parse(path)
        except InputError as error:
            if not 0 < len(str(error)) < _LONG:
                raise ValueError(f"an error of {len(str(error))} characters") from None
            return True
    return False
