"""`deformgan demo`: bundled people in new poses, without any download."""

from pathlib import Path

OTHERS_STEP = 5  # a person takes the pose of the person this many places further
WALKERS_STEP = 3  # every third person walks
WALK_ROWS = 256  # height of the walking people, of weights that can choose it


def demo(
    *,
    out: Path = Path("demo"),
    weights: str = "pedestrian",
    detector: str = "pose18",
    size: str | None = None,
    device: str = "auto",
    metadata: bool = True,
    json: Path | None = None,
) -> None:
    """Generate example pictures of bundled people.

    Needs no data and no download: the people are rendered, and their poses are detected as in any
    other photo. Writes `demo.png`, a sheet of all results; `source_NN.png`, `target_NN.png` (the
    photo with the target pose) and `result_NN.png`, the same as `deformgan generate` makes of the
    two; and `walk.gif`, in which some of the people walk.

    Args:
        out: Output folder (created if missing).
        weights: Name of bundled weights or a .safetensors file.
        detector: Pose detector; see `deformgan generate`.
        size: Size of the results; see `deformgan generate`.
        device: Device to compute on: auto (a GPU if there is one), cpu, cuda or cuda:N.
        metadata: Write into the pictures' metadata that they are generated.
        json: Where to write the settings and counts as JSON.
    """
    import time

    from deformgan.cli.animations import write_animation
    from deformgan.cli.arguments import read_size
    from deformgan.cli.outputs import output_dir, output_file
    from deformgan.cli.pictures import write_picture
    from deformgan.cli.progress import progress
    from deformgan.cli.sheet import Example, draw_sheet, draw_walk
    from deformgan.datasets.bundled_people import (
        bundled_large_photos,
        bundled_people,
        bundled_walk,
    )
    from deformgan.detectors import check_detector
    from deformgan.files import write_json
    from deformgan.inputs import PosedPhoto, detect, read_source
    from deformgan.predict import PoseTransfer
    from deformgan.staging import Source

    started = time.perf_counter()
    if json is not None:
        output_file(json)
    asked = read_size(size)
    transfer = PoseTransfer.from_pretrained(weights, device)
    transfer.staging.check_size(asked)
    stated = transfer.metadata if metadata else None
    output_dir(out)
    check_detector(detector)
    people = bundled_people()
    # Everybody in the pose of another photo of their own, then in that of somebody else.
    wanted = [(number, (number, 1 + number % 2)) for number in range(len(people))]
    wanted += [
        (number, ((number + OTHERS_STEP) % len(people), number % 3))
        for number in range(len(people))
    ]
    photos = dict(enumerate(one.photo for one in bundled_large_photos()))
    posed = {(person, view): people[person][view].photo for _, (person, view) in wanted}
    poses = {
        key: detect(photo, detector, name=f"photo {key}")
        for key, photo in progress([*photos.items(), *posed.items()], "poses")
    }
    sources = {
        number: Source.of(read_source(photo, poses[number])) for number, photo in photos.items()
    }
    examples = []
    for number, (person, target) in enumerate(progress(wanted, "pictures")):
        photo, wished = photos[person], posed[target]
        pose = PosedPhoto(poses[target], (wished.shape[0], wished.shape[1]))
        (result,) = transfer.generate([sources[person]], pose, size=asked)
        examples.append(Example(photo, wished, poses[target], result))
        write_picture(out / f"source_{number:02d}.png", photo)
        write_picture(out / f"target_{number:02d}.png", wished)
        write_picture(out / f"result_{number:02d}.png", result, stated)
    write_picture(out / "demo.png", draw_sheet(examples, num_people=len(people)), stated)

    walk = bundled_walk()
    moving = [
        list(
            transfer.generate(
                [sources[walker]],
                PosedPhoto(walk, transfer.size),
                size=asked or (WALK_ROWS if transfer.layered else None),
            )
        )
        for walker in progress(range(0, len(people), WALKERS_STEP), "walkers")
    ]
    write_animation(
        out / "walk.gif", draw_walk(walk, transfer.size, moving), fps=12.0, metadata=stated
    )

    print(out / "demo.png")
    print(out / "walk.gif")
    print(f"{out}/{{source,target,result}}_00..{len(examples) - 1:02d}.png")
    seconds = time.perf_counter() - started
    print(f"{seconds:.1f} s")
    if json is not None:
        report = {
            "out": str(out),
            "weights": weights,
            "num_pictures": len(examples),
            "num_frames": len(walk),
            "seconds": seconds,
        }
        write_json(json, report)
