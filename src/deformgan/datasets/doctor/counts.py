"""Counts of images, annotations and pairs, compared with the published numbers."""

from dataclasses import dataclass

from deformgan.datasets.cuhk03 import BOXES, CUHK03Name
from deformgan.datasets.deepfashion import EDITIONS
from deformgan.datasets.doctor.contents import Contents
from deformgan.datasets.doctor.finding import Finding
from deformgan.datasets.doctor.joints import usable
from deformgan.datasets.doctor.tables import Tables
from deformgan.datasets.market_name import QUERY, TEST, TRAIN, MarketName
from deformgan.datasets.nobody import JUNK


@dataclass(frozen=True)
class Official:
    """Published size of a part of a data set.

    Attributes:
        images: All images.
        identities: People in them, whether annotated or not.
        junk: Images of identity -1.
    """

    images: int
    identities: int
    junk: int = 0


# Zheng et al., ICCV 2015, and logs of common loaders: of the 19,732 images of the test folder,
# 15,913 remain as gallery once the junk is removed.
MARKET = {
    TRAIN: Official(12_936, 751),
    TEST: Official(19_732, 750, junk=3819),
    QUERY: Official(3368, 750),
}
MARKET_TABLES = {"market-annotation-train.csv": (12_936, 12_116)}  # lines, usable poses
_MARKET_SOURCE = (
    "Zheng et al., 'Scalable Person Re-identification: A Benchmark', ICCV 2015 (from its authors, "
    "for academic research)"
)
_FIRST_IMAGE = "0002_c1s1_000451_03.jpg"  # of the training folder; identifies Market-1501

# Zhong et al., CVPR 2017: (labeled, detected) images, and people. Together they are all of CUHK03.
CUHK03_NP = {
    TRAIN: ((7368, 7365), 767),
    QUERY: ((1400, 1400), 700),
    TEST: ((5328, 5332), 700),
}
CUHK03_ALL = ((14_096, 14_097), 1467)

# Liu et al., CVPR 2016.
DEEPFASHION_IMAGES = 52_712
_DEEPFASHION_SOURCE = (
    "Liu et al., 'DeepFashion: Powering Robust Clothes Recognition and Retrieval with Rich "
    "Annotations', CVPR 2016, benchmark 'In-shop Clothes Retrieval' (from its authors, under an "
    "agreement)"
)

# Lengths of published pair tables.
PAIR_TABLES = {
    "market1501": {
        263_632: "all training pairs, as published (the paper states 263,631)",
        12_000: "as many as the published test pairs",
    },
    "deepfashion": {
        101_268: "as many as the old split's training pairs, as stated in the paper",
        8670: "as many as the old split's test pairs, as stated in the paper",
        86_089: "as many as the new split's training pairs",
        20_676: "as many as all of the new split's test pairs",
        12_000: "as many as the new split's sampled test pairs",
        101_966: "as many as PATN's training pairs",
        8570: "as many as PATN's test pairs",
    },
}


def count(contents: Contents, tables: Tables) -> dict[str, dict[str, dict[str, int]]]:
    """Count images by part, lines by table and pairs by pair table."""
    parts: dict[str, list[str]] = {}
    for image, part in contents.images.items():
        parts.setdefault(part, []).append(image)
    return {
        "images": {part: _count_images(contents, images) for part, images in parts.items()},
        "annotations": {
            file: {
                "lines": len(rows),
                "without_joints": sum(not row.visible.any() for row in rows),
                "usable": sum(usable(row, tables.skeleton) for row in rows),
            }
            for file, rows in tables.rows.items()
        },
        "pairs": {file: {"lines": len(pairs)} for file, pairs in tables.pairs.items()},
    }


def compare(contents: Contents, counts: dict[str, dict[str, dict[str, int]]]) -> list[Finding]:
    """Compare the counts with the published ones, if the data set is a published one."""
    findings = [
        Finding("known-split", f"{number['lines']:,} pairs: {known}", file)
        for file, number in counts["pairs"].items()
        if (known := PAIR_TABLES.get(contents.layout, {}).get(number["lines"])) is not None
    ]
    if contents.layout == "market1501" and is_market(contents):
        return findings + _compare_market(contents, counts)
    if contents.layout == "deepfashion":
        return findings + _compare_deepfashion(counts)
    if contents.layout == "cuhk03":
        return findings + _compare_cuhk03(contents, counts)
    return findings


def _count_images(contents: Contents, images: list[str]) -> dict[str, int]:
    identities = [contents.identity(image) for image in images]
    nobody = [
        who for image, who in zip(images, identities, strict=True) if contents.is_nobody(image)
    ]
    people = {who for who in identities if who is not None} - set(nobody)
    numbers = {"images": len(images), "identities": len(people)}
    if contents.layout in ("market1501", "synthetic"):
        names = [
            MarketName.parse(image.rpartition("/")[2])
            for image, who in zip(images, identities, strict=True)
            if who is not None
        ]
        numbers |= {
            "cameras": len({name.camera for name in names}),
            "junk": nobody.count(JUNK),
            "distractors": len(nobody) - nobody.count(JUNK),
        }
    if contents.layout == "cuhk03":
        names = [image.rpartition("/")[2] for image in images if contents.identity(image)]
        numbers["cameras"] = len({CUHK03Name.parse(name).camera for name in names})
    return numbers


def is_market(contents: Contents) -> bool:
    """Return whether this is Market-1501 itself, not a data set that shares its layout."""
    return (
        contents.find(_FIRST_IMAGE) is not None
        or any(file.startswith("market-") for file in contents.tables)
        or "market" in contents.root.resolve().name.lower()
    )


def _compare_market(
    contents: Contents, counts: dict[str, dict[str, dict[str, int]]]
) -> list[Finding]:
    findings = []
    for part, official in MARKET.items():
        here = counts["images"].get(part, counts["images"].get("") if part == TRAIN else None)
        if here is None:
            split = contents.split_file is not None and part != TRAIN
            what = (
                f"{official.images:,} images of {official.identities} people: part of Market-1501, "
                + _MARKET_SOURCE
            )
            findings.append(Finding("absent" if split else "missing-part", what, part))
            continue
        findings += [
            _compared(part, what, here[what], wanted)
            for what, wanted in (
                ("images", official.images),
                ("identities", official.identities),
                ("junk", official.junk),
            )
            if what != "junk" or wanted
        ]
    for file, (lines, wanted) in MARKET_TABLES.items():
        if file in counts["annotations"]:
            here = counts["annotations"][file]
            findings.append(_compared(file, "lines", here["lines"], lines))
            findings.append(_compared(file, "usable poses", here["usable"], wanted))
    return findings


def _compare_cuhk03(
    contents: Contents, counts: dict[str, dict[str, dict[str, int]]]
) -> list[Finding]:
    """Compare the new protocol's folders, or all images; skip the first pair, which is a subset."""
    assert contents.cuhk03 is not None
    side = BOXES.index(contents.cuhk03.boxes)
    findings = []
    for part, here in counts["images"].items():
        if contents.cuhk03.kind == "new-protocol":
            images, people = CUHK03_NP[part.rpartition("/")[2]]
        elif contents.cuhk03.kind == "extracted":
            images, people = CUHK03_ALL
        else:
            continue
        findings.append(_compared(part, "images", here["images"], images[side]))
        findings.append(_compared(part, "identities", here["identities"], people))
    return findings


def _compare_deepfashion(counts: dict[str, dict[str, dict[str, int]]]) -> list[Finding]:
    images = sum(part["images"] for part in counts["images"].values())
    finding = _compared(None, "images", images, DEEPFASHION_IMAGES)
    if images < DEEPFASHION_IMAGES:
        finding = Finding("other-count", f"{finding.what}; the rest: {_DEEPFASHION_SOURCE}")
    findings = [finding]
    for file, here in counts["annotations"].items():
        for name, edition in EDITIONS.items():
            if here["lines"] == edition.images:
                findings.append(Finding("known-split", f"the {name} split's test table", file))
                findings.append(_compared(file, "usable poses", here["usable"], edition.usable))
    return findings


def _compared(file: str | None, what: str, here: int, official: int) -> Finding:
    if here == official:
        return Finding("official", f"{here:,} {what}", file)
    return Finding("other-count", f"{here:,} {what}, officially {official:,}", file)
