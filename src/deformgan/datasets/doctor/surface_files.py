"""check_surfaces: read the surfaces of rendered pictures and compare them with the pictures."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from deformgan.datasets.doctor.contents import Contents
from deformgan.datasets.doctor.finding import Finding
from deformgan.datasets.doctor.image_files import Decoded
from deformgan.datasets.surfaces import SURFACES, read_surface
from deformgan.errors import InputError


def check_surfaces(contents: Contents, decoded: dict[str, Decoded]) -> Iterator[Finding]:
    """Find surfaces that cannot be read or differ from their picture in size.

    Args:
        contents: The data set.
        decoded: Its decoded images.
    """
    sizes = {PurePosixPath(image).stem: known.size for image, known in decoded.items()}
    for file in contents.beside:
        if not file.startswith(f"{SURFACES}/"):
            continue
        try:
            surface = read_surface(contents.root / file)
        except InputError as error:
            reason = str(error).removeprefix(f"{contents.root / file} ").rstrip(".")
            yield Finding("unreadable-surface", reason, file)
            continue
        own = tuple(surface.layer.shape)
        picture = sizes.get(PurePosixPath(file).stem, own)
        if own != picture:
            what = f"{own[1]}x{own[0]}, but its picture is {picture[1]}x{picture[0]}"
            yield Finding("unreadable-surface", what, file)
