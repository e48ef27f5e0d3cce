"""Pair tables: pairs of unknown, unusable or different people."""

from deformgan.datasets.doctor.contents import Contents
from deformgan.datasets.doctor.finding import Finding
from deformgan.datasets.doctor.joints import usable
from deformgan.datasets.doctor.leaks import read_split
from deformgan.datasets.doctor.tables import Tables


def check_pairs(contents: Contents, tables: Tables) -> list[Finding]:
    """Check every pair of every pair table."""
    usable_images = {
        contents.find(row.name)
        for rows in tables.rows.values()
        for row in rows
        if usable(row, tables.skeleton)
    }
    side_of = _sides(contents)
    findings = []
    for file, pairs in tables.pairs.items():
        seen: dict[tuple[str, str], int] = {}
        for line, *names in pairs:
            images = [contents.find(name) for name in names]
            unknown = [name for name, image in zip(names, images, strict=True) if image is None]
            people = [contents.identity(image) for image in images if image is not None]
            sides = {side_of.get(who) for who in people} - {None}
            bad = [
                name
                for name, image in zip(names, images, strict=True)
                if image not in usable_images
            ]
            pair = (names[0], names[1])
            if unknown:
                finding = Finding("unknown-in-pair", " and ".join(unknown), file, line)
            elif images[0] == images[1]:
                finding = Finding("pair-of-one", names[0], file, line)
            elif len(sides) > 1:
                what = f"{people[0]} is in another split than {people[1]}"
                finding = Finding("leak", what, file, line)
            elif people[0] != people[1]:
                finding = Finding("pair-of-two", f"{names[0]} and {names[1]}", file, line)
            elif bad and usable_images:
                finding = Finding("unusable-in-pair", " and ".join(bad), file, line)
            elif pair in seen:
                what = f"{names[0]},{names[1]} is already on line {seen[pair]}"
                finding = Finding("repeated-pair", what, file, line)
            else:
                seen[pair] = line
                continue
            findings.append(finding)
    return findings


def _sides(contents: Contents) -> dict[str | None, str]:
    """Return the split of every person that the split file assigns to exactly one."""
    split = None if contents.split_file is None else read_split(contents.split_file)[0]
    if split is None:
        return {}
    train, test = set(split["train"]), set(split["test"])
    return {who: "train" if who in train else "test" for who in train ^ test}
