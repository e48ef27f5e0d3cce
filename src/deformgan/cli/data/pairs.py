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
    nobody: tuple[str, ...] | None = None,
    json: Path | None = None,
) -> None:
    """Write the list of training or test pairs of a data set.

    Writes a table (from,to) of all ordered pairs of images of one person in which both hips and
    both shoulders are annotated, in the order of the published lists, or a sample drawn like
    theirs. Exits with an error if a person or an image is in both the training and the test set.

    Args:
        folder: The data set, in any layout supported by `deformgan data check`.
        out: Where to write the pair table; its folder must exist.
        split: Part of the data set; "all" is everybody.
        count: Number of pairs to draw; by default all, in order. Published test lists have 12000.
        seed: Random seed of the draw; published lists use 0.
        nobody: Identities of Market-1501's layout that are not people, such as -1
            0000; by default -1, and also 0000 unless training photos, queries or
            identity-split.json have it as a person.
        json: Where to write the numbers of images, people and pairs as JSON.
    """
    from deformgan.cli.nobody import say_nobody
    from deformgan.cli.outputs import output_file
    from deformgan.datasets import open_dataset, recognize
    from deformgan.datasets.pairs import build_pairs, write_pairs
    from deformgan.datasets.splits import refuse_leaks
    from deformgan.errors import InputError
    from deformgan.files import write_json

    for file in (out, json):
        if file is not None:
            output_file(file)
    if count is not None and count < 1:
        raise InputError(f"--count is {count}; it must be 1 or more.")
    if not 0 <= seed < 2**32:
        raise InputError(f"--seed is {seed}; it must be from 0 to {2**32 - 1}.")
    layout = recognize(folder)
    dataset = open_dataset(folder, layout, split, nobody=nobody)
    if split != "all":
        try:
            other = open_dataset(
                folder, layout, "test" if split == "train" else "train", nobody=nobody
            )
        except InputError:
            other = None  # without a usable other split, there can be no overlap
        if other is not None:
            refuse_leaks(dataset, other)
    table = build_pairs(dataset, count, seed)
    if not table:
        raise InputError(
            f"{folder} has no pairs in the split {split!r}: nobody has two images with both hips "
            "and both shoulders annotated."
        )
    say_nobody(nobody, folder)
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
