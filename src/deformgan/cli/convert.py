"""`deformgan convert`: the authors' Keras checkpoint in, weights for `deformgan generate` out."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from deformgan.models.generator import Generator
    from deformgan.models.keras_config import Settings
    from deformgan.models.keras_names import NamedArrays

# The authors' image sizes, by number of encoder levels.
_SIZES = {6: ((128, 64), (128, 128)), 7: ((256, 256),)}
# The authors' names of our warps.
_VARIANTS = {"parts": "mask", "global": "full", "none": "none"}


def convert(
    keras_file: Path,
    /,
    *,
    out: Path,
    warp: Literal["auto", "parts", "global"] = "auto",
    aggregation: Literal["auto", "max", "average"] = "auto",
    size: Literal["auto", "128x64", "128x128", "256x256"] = "auto",
    json: Path | None = None,
) -> None:
    """Convert a Keras checkpoint of the authors' generator.

    A file written by `model.save`, as in the authors' training, states how its skips are warped and
    the image size; one written by `model.save_weights` does not, and the settings assumed instead
    are printed. Needs the extra `keras`.

    Args:
        keras_file: The .h5 file of a generator with warp_skip mask, full or none. Other
            variants (stn, background, stick figures) and discriminators are rejected.
        out: Where to write the .safetensors file; its folder must exist. Weights stay in float32.
        warp: How skips are warped: "parts" for ten parts (warp_skip mask), "global" for one
            transform (warp_skip full), "auto" for what the file states, or else parts.
        aggregation: How parts are combined (warp_agg): "max", "average" (avg), or "auto" for what
            the file states, or else max.
        size: Height and width of the images; "auto" is what the file states, or else 128x64 or
            256x256 by the depth of the network.
        json: Where to write the settings found, and the path of each array in the file, as JSON.
    """
    import hashlib

    from deformgan.checkpoint import save_generator
    from deformgan.cli.outputs import output_file
    from deformgan.errors import InputError
    from deformgan.files import write_json, written_beside
    from deformgan.models.keras_child import read_keras_file_apart
    from deformgan.models.keras_config import read_settings
    from deformgan.models.keras_names import name_arrays

    if out.suffix != ".safetensors":
        raise InputError(f"Cannot write {out}: its name must end in .safetensors.")
    output_file(out)
    if json is not None:
        output_file(json)
    file = read_keras_file_apart(keras_file)
    try:
        named = name_arrays(file)
        said = read_settings(file.config)
    except InputError as error:
        raise InputError(f"{keras_file}: {error}") from None
    if named.network == "discriminator":
        raise InputError(
            f"{keras_file} contains a discriminator ({_count(named):,} parameters); give the file "
            "of a generator."
        )
    generator, height_and_width, assumed = _build(named, said, warp, aggregation, size)
    config = generator.config
    described = {
        "recipe": "converted",
        "converted_from": keras_file.name,
        "sha256": hashlib.sha256(keras_file.read_bytes()).hexdigest(),
        "keras_version": file.version,
        "variant": _VARIANTS[config.warp],
        "size": list(height_and_width),
    }
    with written_beside(out) as unfinished:
        import torch

        save_generator(unfinished, generator, described, torch.float32)
        _check_back(unfinished, named)
    sides = "x".join(map(str, height_and_width))
    print(f"network      generator, {config.streams} stream{'s' if config.streams > 1 else ''}")
    print(f"variant      {_VARIANTS[config.warp]}{_warping(config.warp, config.aggregation)}")
    print(f"size         {sides}, {len(config.encoder_widths)} levels")
    print(f"parameters   {_count(named):,}, float32")
    if assumed:
        print(f"assumed      {', '.join(assumed)}: not stated in the file")
    print(f"written      {out}")
    if json is not None:
        report = {
            "keras_file": str(keras_file),
            "out": str(out),
            "network": named.network,
            "streams": config.streams,
            "warp": config.warp,
            "aggregation": config.aggregation,
            "levels": len(config.encoder_widths),
            "parameters": _count(named),
            "assumed": assumed,
            **described,
            "arrays": {path: name for name, path in named.paths.items()},
        }
        write_json(json, report)


def _build(
    named: "NamedArrays", said: "Settings", warp: str, aggregation: str, size: str
) -> tuple["Generator", tuple[int, int], list[str]]:
    """Build the generator, and list its settings that neither file nor flags determine."""
    from dataclasses import replace

    from deformgan.errors import InputError
    from deformgan.models.generator import Generator
    from deformgan.models.keras_weights import generator_config, load_keras_arrays

    config = generator_config(named.shapes)
    levels = len(config.encoder_widths)
    sizes = {f"{height}x{width}": (height, width) for height, width in _SIZES[levels]}
    in_file = None if said.size is None else "x".join(map(str, said.size))
    decided = {"size": _decide("size", size, in_file)}
    if config.streams == 2:
        decided["warp"] = _decide("warp", warp, said.warp)
        decided["aggregation"] = _decide("aggregation", aggregation, said.aggregation)
    elif (warp, aggregation) != ("auto", "auto"):
        raise InputError(
            "A generator with one stream (warp_skip none) warps nothing; remove --warp and "
            "--aggregation."
        )
    usual = {"size": next(iter(sizes)), "warp": config.warp, "aggregation": config.aggregation}
    assumed = [f"{name} {usual[name]}" for name, value in decided.items() if value is None]
    chosen = {name: value or usual[name] for name, value in decided.items()}
    if (sides := chosen.pop("size")) not in sizes:
        raise InputError(
            f"A generator with {levels} levels supports {' or '.join(sizes)} images, not {sides}."
        )
    generator = Generator(replace(config, **chosen))
    load_keras_arrays(generator, named.arrays)
    return generator, sizes[sides], assumed


def _decide(name: str, flag: str, said: str | None) -> str | None:
    """Return the file's value, or else the flag's; None if neither is set."""
    from deformgan.errors import InputError

    if flag == "auto":
        return said
    if said not in (None, flag):
        raise InputError(f"--{name} is {flag}, but the file has {said}.")
    return flag


def _check_back(path: Path, named: "NamedArrays") -> None:
    """Load the written file and compare it bit by bit with the Keras file."""
    import torch

    from deformgan.checkpoint import load_generator
    from deformgan.models.keras_weights import keras_parameters, to_keras

    generator, _ = load_generator(path)
    parameters = keras_parameters(generator)
    assert parameters.keys() == named.arrays.keys()
    assert len(parameters) == len(list(generator.parameters()))
    for name, parameter in parameters.items():
        assert torch.equal(to_keras(parameter.detach()), torch.from_numpy(named.arrays[name])), name


def _warping(warp: str, aggregation: str) -> str:
    match warp:
        case "parts":
            return f" (ten parts, {aggregation})"
        case "global":
            return " (one global transform)"
        case _:
            return " (plain skips)"


def _count(named: "NamedArrays") -> int:
    return sum(array.size for array in named.arrays.values())
