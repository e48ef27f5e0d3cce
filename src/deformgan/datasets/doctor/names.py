"""Names: images without joints, joints without images, and names without an identity."""

from collections.abc import Iterator
from itertools import islice

from deformgan.datasets.doctor.contents import OWN, Contents
from deformgan.datasets.doctor.finding import Finding
from deformgan.datasets.doctor.tables import Tables
from deformgan.datasets.market_name import QUERY, TEST
from deformgan.datasets.nobody import DISTRACTOR, JUNK
from deformgan.datasets.surfaces import SURFACES
from deformgan.datasets.synthetic import BACKGROUNDS, MASKS

_ADVICE = {
    "cuhk03": "CUHK03 comes without joints",
    "market1501": "the authors of 'Deformable GANs for Pose-based Human Image Generation' (CVPR "
    "2018) publish market-annotation-train.csv and -test.csv with their code",
    "deepfashion": "the authors of 'Deformable GANs for Pose-based Human Image Generation' (CVPR "
    "2018) publish fasion-annotation-train.csv and -test.csv with their code",
    "synthetic": "`deformgan data synthesize` writes it",
    "folder": "its name is annotation.csv",
}


def check_names(contents: Contents, tables: Tables) -> list[Finding]:
    """Match table entries with images in both directions, and check the identities."""
    return [
        *_numbered_from_0(contents),
        *_identities(contents),
        *_images_without_joints(contents, tables),
        *_joints_without_image(contents, tables),
        *_without_picture_beside(contents),
    ]


def _numbered_from_0(contents: Contents) -> Iterator[Finding]:
    if contents.layout in ("market1501", "synthetic"):
        people = (
            image
            for image in contents.images
            if contents.identity(image) == DISTRACTOR and not contents.is_nobody(image)
        )
        yield from (Finding("numbered-from-0", "", image) for image in islice(people, 1))


def _identities(contents: Contents) -> Iterator[Finding]:
    for image in contents.images:
        match contents.identity(image):
            case None if contents.layout == "folder":
                yield Finding("no-person-folder", "", image)
            case None:
                yield Finding("odd-name", "", image)
            case identity if contents.layout in ("market1501", "synthetic"):
                if contents.is_nobody(image):
                    kind = "junk" if identity == JUNK else "distractor"
                    yield Finding(kind, "", image)


def _images_without_joints(contents: Contents, tables: Tables) -> Iterator[Finding]:
    named = {
        image
        for rows in tables.rows.values()
        for row in rows
        for image in contents.by_key.get(contents.key(row.name), [])
    }
    for part in dict.fromkeys(contents.images.values()):
        # Tables omit junk and distractors, and queries need no joints.
        images = [
            image
            for image, where in contents.images.items()
            if where == part
            and contents.identity(image) is not None
            and not contents.is_nobody(image)
        ]
        if part.rpartition("/")[2] == QUERY or not images:
            continue
        if named.isdisjoint(images):
            # Re-ID can use a test set without joints; one finding per image would add nothing.
            kind = "missing-part" if part.rpartition("/")[2] == TEST else "no-table"
            advice = _ADVICE[contents.layout]
            what = (
                f"no annotation table for these {len(images):,} images: {advice}, and "
                "`deformgan pose` makes one"
            )
            yield Finding(kind, what, None if part == OWN else part)
            continue
        for image in images:
            if image not in named:
                yield Finding("no-joints", "", image)


def _joints_without_image(contents: Contents, tables: Tables) -> Iterator[Finding]:
    for file, rows in tables.rows.items():
        for row in rows:
            images = contents.by_key.get(contents.key(row.name), [])
            if not images:
                yield Finding("no-image", row.name, file, row.line)
            elif contents.layout == "folder" and len(images) > 1:
                what = f"{row.name} may be {' or '.join(images[:3])}"
                yield Finding("ambiguous-name", what, file, row.line)


def _without_picture_beside(contents: Contents) -> Iterator[Finding]:
    """Find rendered images that lack a mask, background or surface that others have."""
    for folder in (MASKS, BACKGROUNDS, SURFACES):
        stems = {_stem(file) for file in contents.beside if file.startswith(f"{folder}/")}
        for image in contents.images if stems else ():
            if _stem(image) not in stems:
                yield Finding("incomplete-render", f"nothing in {folder}", image)


def _stem(file: str) -> str:
    return file.rpartition("/")[2].rpartition(".")[0]
