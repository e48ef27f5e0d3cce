"""The command `deformgan skeleton show`."""

from pathlib import Path


def show(skeleton: str, /, *, out: Path, json: Path | None = None) -> None:
    """Draw the joints, bones and parts of a skeleton.

    The coloured regions are the masks of the parts in a typical pose.

    Args:
        skeleton: A built-in name or a JSON file.
        out: Where to write the picture (.png).
        json: Where to write the full definition as JSON, as a template for your own.
    """
    from PIL import Image

    from deformgan.cli.outputs import output_file
    from deformgan.cli.skeleton.picture import draw_skeleton
    from deformgan.errors import InputError
    from deformgan.files import write_image, write_json
    from deformgan.skeletons import find_skeleton_file

    if out.suffix.lower() != ".png":
        raise InputError(f"Cannot write {out}: its name must end in .png.")
    output_file(out)
    if json is not None:
        output_file(json)
    file = find_skeleton_file(skeleton)
    picture = Image.fromarray(draw_skeleton(file))
    write_image(out, picture)
    if json is not None:
        write_json(json, file.model_dump(exclude_unset=True))
    drawn = file.skeleton()
    numbers = {
        "joints": drawn.joints,
        "mirrored pairs": drawn.mirrored,
        "bones": drawn.limbs,
        "parts": drawn.parts,
    }
    print(f"{file.name}: {', '.join(f'{len(many)} {what}' for what, many in numbers.items())}")
    for part in drawn.parts:
        words = [part.region, f"needs {part.needs} of {len(part.joints)} joints"]
        words += ["mandatory"] * part.mandatory + [f"twin {part.twin}"] * (part.twin is not None)
        print(f"  {part.name}: {', '.join(words)}")
    print(f"wrote {out}")
