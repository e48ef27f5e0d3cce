"""`deformgan demo`: the bundled people in other poses, with nothing to download."""

from pathlib import Path

OTHERS_STEP = 5  # whose pose a person borrows: that of the person so many places further


def demo(
    *,
    out: Path = Path("demo"),
    weights: str = "pedestrian",
    device: str = "cpu",
    json: Path | None = None,
) -> None:
    """Puts bundled people into other poses and lets them walk.

    Needs neither data nor a download: the people are of our own rendering and come with their
    joints. Writes `demo.png`, a sheet of everything; each `source_NN.png`, `target_NN.png` (the
    photo whose pose was asked for) and `result_NN.png`; and `walk.gif`.

    Args:
        out: Folder for the pictures; created.
        weights: Name of bundled weights or a .safetensors file.
        device: Where to compute: cpu, cuda or cuda:N.
        json: Where to write what was done as JSON.
    """
    import time

    from deformgan.cli.inputs import check_device
    from deformgan.cli.outputs import output_dir, output_file, write_json
    from deformgan.cli.pictures import write_animation, write_picture
    from deformgan.cli.progress import progress
    from deformgan.cli.sheet import Example, draw_sheet, draw_walk
    from deformgan.datasets.bundled_people import bundled_people, bundled_walk
    from deformgan.predict import PoseTransfer

    started = time.perf_counter()
    if json is not None:
        output_file(json)
    output_dir(out)
    transfer = PoseTransfer.load(weights, check_device(device))
    people = bundled_people()
    # Everybody in a pose of their own other photos, then in that of somebody else.
    wanted = [(views[0], views[1 + number % 2]) for number, views in enumerate(people)]
    wanted += [
        (views[0], people[(number + OTHERS_STEP) % len(people)][number % 3])
        for number, views in enumerate(people)
    ]
    examples = []
    for number, (source, target) in enumerate(progress(wanted, "pictures")):
        result = transfer(source.photo, source.pose, target.pose, target.photo.shape[:2])
        examples.append(Example(source.photo, target.photo, target.pose, result))
        write_picture(out / f"source_{number:02d}.png", source.photo)
        write_picture(out / f"target_{number:02d}.png", target.photo)
        write_picture(out / f"result_{number:02d}.png", result)
    write_picture(out / "demo.png", draw_sheet(examples, num_people=len(people)))

    walk = bundled_walk()
    walkers = [views[0] for views in people[::3]]
    moving = [
        list(transfer.animate(walker.photo, walker.pose, walk, transfer.size))
        for walker in progress(walkers, "walkers")
    ]
    write_animation(out / "walk.gif", draw_walk(walk, transfer.size, moving), fps=12.0)

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
