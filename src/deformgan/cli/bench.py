"""The command `deformgan bench`."""

from pathlib import Path
from typing import Any

from deformgan.cli.outputs import output_file
from deformgan.files import write_json


def bench(
    *,
    json: Path | None = None,
    device: str = "auto",
    quick: bool = False,
    data: Path | None = None,
) -> None:
    """Benchmark the nearest-neighbour loss, the deformable skip and the data loader.

    Measures time and memory. Loss and skip, forward and backward, are compared with the simplest
    equivalent code; the loader with the throughput that a training step needs.

    Args:
        json: Where to write ratios, times in seconds, peak memory in bytes and the machine as JSON.
        device: Device to benchmark, such as cpu or cuda.
        quick: Use fewer repetitions and no paper-sized networks; under a minute on two cores.
        data: Data set for the loader; by default the bundled people, repeated.
    """
    if json is not None:
        output_file(json)
    from deformgan.bench import run_bench
    from deformgan.device import find_device

    report = run_bench(str(find_device(device)), quick, data)
    print(_table(report))
    if json is not None:
        write_json(json, report)


def _table(report: dict[str, Any]) -> str:
    """Format a report as a table."""
    machine = report["machine"]
    lines = [
        f"{machine.get('gpu', machine['cpu'])}, {machine['threads']} threads,"
        f" torch {machine['torch']}, load {machine.get('load', 'unknown')}, {machine['date']}",
        f"{'forward + backward':34} {'ratio':>7} {'ours ms':>9} {'other ms':>9}"
        f" {'ours MB':>9} {'other MB':>9}",
    ]
    for name, ratio in report["ratios"].items():
        seen = report["times"][name]
        lines.append(
            f"{name:34} {ratio:7.2f} {seen['ours'] * 1e3:9.1f} {seen['other'] * 1e3:9.1f}"
            f" {seen['ours_peak'] / 1e6:9.1f} {seen['other_peak'] / 1e6:9.1f}"
        )
    lines += [
        f"{name:34} {seconds * 1e3:17.1f} ms per image"
        for name, seconds in report["times"].items()
        if name not in report["ratios"]
    ]
    loader = report["loader"]
    lines.append(
        f"training step, batch of {loader['batch_size']:<13} {loader['step']:17.0f} pairs/s"
    )
    lines += [
        f"{f'loader, images in {place}':34} {loader[place]:17.0f} pairs/s,"
        f" {loader[f'{place}_surplus']:.0f} x the step's"
        for place in ("memory", "file")
    ]
    return "\n".join(lines)
