"""Pictures per second from disk to disk."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from deformgan.bulk import Bulk, list_sources, list_targets
from deformgan.datasets.bundled_people import FOLDER
from deformgan.predict import PoseTransfer


@dataclass(frozen=True)
class DiskSpeed:
    """Throughput of bulk generation.

    Attributes:
        photos: Number of photos, each of another person, generated in one pose.
        images_per_second: Pictures per second, detection of the photos' poses included.
        seconds: Time by activity, see `BulkReport`.
    """

    photos: int
    images_per_second: float
    seconds: dict[str, float]


def disk_speed(device: str, photos: int) -> DiskSpeed:
    """Generate pictures of the bundled people from files into a folder.

    Args:
        device: Device to compute on.
        photos: Number of photos.
    """
    transfer = PoseTransfer.from_pretrained(device=device)
    bundled = sorted((FOLDER / "bounding_box_train").glob("*.jpg"))
    with tempfile.TemporaryDirectory() as scratch:
        people, out = Path(scratch) / "people", Path(scratch) / "out"
        people.mkdir()
        out.mkdir()
        for number in range(photos):
            shutil.copy(bundled[number % len(bundled)], people / f"{number:06d}.jpg")
        bulk = Bulk(
            transfer,
            list_sources([str(people)]),
            list_targets([str(FOLDER / "walk.csv")])[:1],
            out,
            lambda path, picture: Image.fromarray(picture).save(path),
        )
        report = bulk.run()
    waited = sum(report.seconds[name] for name in report.seconds if name not in _BESIDE)
    return DiskSpeed(photos, report.written / waited, report.seconds)


_BESIDE = ("decoding", "encoding")  # in threads
