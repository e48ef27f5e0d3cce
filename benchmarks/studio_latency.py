"""From pointer event to painted picture in the studio, in headless Chromium.

    deformgan studio --port 8000 &
    python -m http.server -d site 8001 &
    python benchmarks/studio_latency.py http://127.0.0.1:8000/ http://127.0.0.1:8001/

Isolated: a dot moves once, and the picture is awaited. Continuous: a dot is dragged for ten
seconds with some sixty events per second; only pictures that are shown count, each from its own
event, and the pictures between them are those that were replaced by later ones.
"""

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from playwright.sync_api import Page, sync_playwright

from deformgan.files import write_json
from deformgan.provenance import provenance

_WATCH = """() => {
  window.painted = [];
  new PerformanceObserver((list) => {
    for (const mark of list.getEntriesByName("shown"))
      requestAnimationFrame(() => setTimeout(() => {
        window.painted.push(performance.now() - mark.detail);
      }));
  }).observe({ type: "mark" });
}"""


def main(
    urls: tuple[str, ...],
    /,
    rows: tuple[int, ...] = (128, 512),
    isolated: int = 40,
    seconds: float = 10.0,
    json: Path | None = None,
) -> None:
    """Measure pages that are being served.

    Args:
        urls: Addresses of studios.
        rows: Heights of the picture.
        isolated: Number of single moves.
        seconds: Duration of the continuous drag.
        json: Where to write the numbers.
    """
    report: dict[str, Any] = {**provenance(), "pages": []}
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for url in urls:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(300_000)
            page.goto(url)
            page.wait_for_function("() => document.documentElement.dataset.ready")
            page.evaluate(_WATCH)
            for height in rows:
                page.locator("#rows").select_option(str(height))
                found = {"url": url, "rows": height, **_measure(page, isolated, seconds)}
                report["pages"].append(found)
                print(found, flush=True)
            page.close()
        browser.close()
    if json is not None:
        write_json(json, report)


def _measure(page: Page, isolated: int, seconds: float) -> dict[str, Any]:
    dot = page.locator("#target circle.dot").nth(7)  # the left wrist
    box = dot.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    _settle(page)
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(isolated + 3):
        if step == 3:  # warm
            page.evaluate("() => { window.painted = []; }")
        page.mouse.move(x - 20 * (step % 2), y + step % 5)
        _settle(page)
    single = page.evaluate("() => window.painted")
    page.evaluate("() => { window.painted = []; }")
    events, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        page.mouse.move(x - 30 * (1 + np.sin(events / 20)), y + 20 * np.cos(events / 20))
        events += 1
        time.sleep(1 / 80)
    _settle(page)
    dragged = page.evaluate("() => window.painted")
    page.mouse.move(x, y)
    page.mouse.up()
    _settle(page)
    return {"isolated": _summary(single), "continuous": _summary(dragged) | {"events": events}}


def _settle(page: Page) -> None:
    page.wait_for_timeout(60)
    page.locator("#picture[aria-busy=false]").wait_for()
    page.wait_for_timeout(60)


def _summary(milliseconds: list[float]) -> dict[str, float]:
    median, p95 = np.quantile(milliseconds, [0.5, 0.95]).round(1).tolist()
    return {"pictures": len(milliseconds), "median_ms": median, "p95_ms": p95}


if __name__ == "__main__":
    tyro.cli(main)
