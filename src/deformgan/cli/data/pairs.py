"""The command `deformgan data pairs`."""

from pathlib import Path
from typing import Literal


def pairs(
    folder: Path,
    /,
    *,
    out: Path,
    split: Literal["train", "test", "all"] = "train",
    count: int | None = None,
    seed: int = 0,
    json: Path | None = None,
) -> None:
    """Write the pair list of a data set: from,to.

    All ordered pairs of images of one person in which both hips and both shoulders were found, in
    the order of the field's published lists; or some of them, drawn as those are. Refuses a data
    set in which somebody, or an image, is both to train on and to test on.

    Args:
        folder: The data set, in any layout that `deformgan data check` knows.
        out: The pair table to write; its folder must exist.
        split: Of which part; "all" is everybody.
        count: How many pairs to draw; by default all, in order. The field tests on 12000.
        seed: Of the draw; the field's is 0.
        json: Where to write how many images, people and pairs there are.
    """
    from deformgan.cli.outputs import output_file, write_json
    from deformgan.datasets import open_dataset, recognize
    from deformgan.datasets.pairs import build_pairs, write_pairs
    from deformgan.datasets.splits import refuse_leaks
    from deformgan.errors import InputError

    for file in (out, json):
        if file is not None:
            output_file(file)
    if count is not None and count < 1:
        raise InputError(f"--count is {count}; give 1 or more.")
    if not 0 <= seed < 2**32:
        raise InputError(f"--seed is {seed}; give 0 to {2**32 - 1}.")
    layout = recognize(folder)
    dataset = open_dataset(folder, layout, split)
    if split != "all":
        try:
            other = open_dataset(folder, layout, "test" if split == "train" else "train")
        except InputError:
            other = None  # no other part that can be used, so nothing to share with it
        if other is not None:
            refuse_leaks(dataset, other)
    table = build_pairs(dataset, count, seed)
    if not table:
        raise InputError(
            f"{folder} has no pairs in the split {split!r}: nobody has two images in which both "
            "hips and both shoulders were found."
        )
    write_pairs(out, table)
    numbers = {
        "dataset": layout,
        "split": split,
        "images": len(dataset),
        "usable": int(dataset.usable.sum()),
        "identities": len(
            {who for who, use in zip(dataset.identities, dataset.usable, strict=True) if use}
        ),
        "possible_pairs": len(dataset.pairs),
        "pairs": len(table),
        "seed": None if count is None else seed,
    }
    drawn = "" if count is None else f" of {numbers['possible_pairs']:,} with seed {seed}"
    print(
        f"{out}: {numbers['pairs']:,} pairs{drawn}; {numbers['usable']:,} usable images of "
        f"{numbers['identities']:,} people ({layout}, {split})"
    )
    if json is not None:
        write_json(json, numbers)
