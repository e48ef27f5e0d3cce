"""The command `deformgan bench`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deformgan.cli.outputs import output_dir, output_file
from deformgan.files import write_json


def bench(
    *,
    json: Path | None = None,
    plots: Path | None = None,
    device: str = "auto",
    quick: bool = False,
    data: Path | None = None,
) -> None:
    """Benchmark the method's operations, training, inference and runs from disk to disk.

    Nearest-neighbour loss and deformable skip, forward and backward, are compared with the simplest
    equivalent code, in time and memory; heat maps, masks and transforms with the training step that
    needs them; the data loader with the pairs that a training step consumes. Pictures are timed by
    size, batch, precision and threads, and after a joint has moved with the photo kept, by PyTorch
    and by exports (with the extra `export`, and OpenVINO if installed). Times are medians, with
    quartiles in the JSON.

    Args:
        json: Where to write ratios, times in seconds, peak memory in bytes and the machine as JSON.
        plots: Folder for plots of cost against batch, rows, window and parts, each with the line it
            should follow; created if missing.
        device: Device to benchmark, such as cpu or cuda. On a GPU, also the share of its measured
            peaks.
        quick: Fewer repetitions, and one picture of each kind; under a minute on two cores.
        data: Data set for the loader; by default the bundled people, repeated.
    """
    if json is not None:
        output_file(json)
    if plots is not None:
        output_dir(plots)
    from deformgan.bench import run_bench
    from deformgan.bench.growth import draw_growth
    from deformgan.device import find_device

    report = run_bench(str(find_device(device)), quick, data, growth=plots is not None)
    print("\n".join(_table(report)))
    if plots is not None:
        for figure in draw_growth(report["growth"], plots, _machine(report)):
            print(figure)
    if json is not None:
        write_json(json, report)


def _machine(report: dict[str, Any]) -> str:
    machine = report["machine"]
    return (
        f"{machine.get('gpu', machine['cpu'])}, {machine['threads']} threads,"
        f" torch {machine['torch']}, load {machine.get('load', 'unknown')}, {machine['date']}"
    )


def _table(report: dict[str, Any]) -> Iterator[str]:
    """Format a report as lines of a table."""
    yield _machine(report)
    yield (
        f"{'forward + backward':36} {'ratio':>7} {'ours ms':>9} {'other ms':>9}"
        f" {'ours MB':>9} {'other MB':>9}"
    )
    for name, ratio in report["ratios"].items():
        seen = report["times"][name]
        if "other" not in seen:
            yield f"{name:36} {ratio:7.3f}"
            continue
        yield (
            f"{name:36} {ratio:7.2f} {seen['ours'] * 1e3:9.1f} {seen['other'] * 1e3:9.1f}"
            f" {seen['ours_peak'] / 1e6:9.1f} {seen['other_peak'] / 1e6:9.1f}"
        )
    loader = report["loader"]
    yield f"training step, batch of {loader['batch_size']:<15} {loader['step']:17.1f} pairs/s"
    for place in ("memory", "file"):
        yield (
            f"{f'loader, images in {place}':36} {loader[place]:17.0f} pairs/s,"
            f" {loader[f'{place}_surplus']:.0f} x the step's"
        )
    for step in report["steps"]:
        name = f"training step, batch {step['batch_size']}, {step['precision']}"
        yield f"{name:36} {step['pairs_per_second']['median']:17.1f} pairs/s"
    for one in report["inference"]:
        case = one["case"]
        name = f"{case['what']} {case['size'][0]}x{case['size'][1]}"
        name += f" batch {case['batch']}" * (case["batch"] > 1)
        name += f" {case['precision']}" * (case["precision"] != "float32")
        name += f" {case['threads']} threads" if case["threads"] else ""
        name += " compiled" * case["compiled"]
        if one["seconds"] is None:
            yield f"{name:44} not measured: {one['problem']}"
        else:
            yield f"{name:44} {one['seconds']['median'] * 1e3:9.1f} ms per picture"
    yield from _moved(report)
    disk = report["disk"]
    yield f"{'disk to disk':36} {disk['images_per_second']:17.1f} pictures/s"
    peaks = report.get("peaks")
    if peaks:
        yield f"{'peak of a copy':36} {peaks['bytes_per_second'] / 1e9:17.0f} GB/s"
        for precision, reached in peaks["operations_per_second"].items():
            name = f"peak of a matrix product, {precision}"
            yield f"{name:36} {reached / 1e12:17.1f} TFLOP/s"
        for name, share in peaks["shares"].items():
            yield f"{f'{name}, share of its peak':36} {share:17.2f}"


def _moved(report: dict[str, Any]) -> Iterator[str]:
    """Format the times after a joint has moved."""
    for one in report["moved"]:
        case = one["case"]
        name = f"moved joint, {case['backend']} {case['precision']} {case['size'][0]}x"
        name += f"{case['size'][1]} {case['threads']} threads"
        if one["seconds"] is None:
            yield f"{name:52} not measured: {one['problem']}"
            continue
        line = f"{name:52} {one['seconds']['median'] * 1e3:7.1f} ms"
        line += f", 95 % {one['seconds']['p95'] * 1e3:.1f}"
        if one["network"]:
            line += f", network {one['network']['median'] * 1e3:.1f}"
        if one["difference"]:
            mean, most = one["difference"]
            line += f"; off by {mean:.2f} grey levels, 99.9 % {most:.0f}"
        yield line
