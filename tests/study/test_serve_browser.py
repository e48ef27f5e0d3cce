"""A whole study in a real browser: two people at once, a reload, and a server that is killed."""

import json
import os
import signal
import sqlite3
from pathlib import Path

import pytest

from deformgan.cli.main import main

pytest.importorskip("fastapi", reason="needs the extra 'web': uv sync --extra web")

pytestmark = pytest.mark.slow  # seconds of looking at pictures

# Pictures of the pages go here, where somebody wants to look at them.
SHOTS = os.environ.get("DEFORMGAN_SCREENSHOTS")


def serve(start_server, path, port):
    words = ["study", "serve", str(path), "--port", str(port)]
    return start_server(words, f"http://127.0.0.1:{port}/api/study")


def picture_of(page, name):
    if SHOTS:
        page.wait_for_timeout(250)
        page.screenshot(path=Path(SHOTS) / f"{name}.png")


def wait_for(page, number):
    page.wait_for_function(
        "n => document.getElementById('count').textContent.startsWith(n + ' of') && "
        "[...document.querySelectorAll('#answers button')].every(b => !b.disabled)",
        arg=number,
    )


def look_at(page, name):
    """Wait until a picture appears and disappears."""
    picture_of(page, f"{name}-item")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    # A function, not a bare expression: the page's policy forbids eval, by which the latter polls.
    page.wait_for_function("() => !!document.querySelector('#pictures .gone')")
    picture_of(page, f"{name}-question")


def check_by_hand(path, by_hand, tmp_path):
    """Compare database and report with what was clicked."""
    base = sqlite3.connect(tmp_path / "study.sqlite")
    kept = base.execute(
        "SELECT number, position, answer, kind, practice FROM answer JOIN item USING (participant, "
        "position) JOIN participant ON participant.id = participant ORDER BY number, position"
    ).fetchall()
    numbers = sorted({row[0] for row in kept})
    found = [[row[2] for row in kept if row[0] == number] for number in numbers]
    assert sorted(found) == sorted(by_hand)
    assert main(["study", "report", str(path), "--out", str(tmp_path / "report")]) == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    scored = [row for row in kept if not row[4]]
    real = [row[2] for row in scored if row[3] == "real"]
    fake = [row[2] for row in scored if row[3] == "generated"]
    assert report["shares"]["r2g"]["successes"] == real.count("fake")
    assert report["shares"]["r2g"]["answers"] == len(real)
    assert report["shares"]["g2r"]["successes"] == fake.count("real")
    assert report["counted"]["answers"] == 20


def test_two_people_a_reload_and_a_killed_server_lose_no_answer(
    make_study, browser, start_server, free_port, tmp_path
):
    path, port = make_study(count=6, practice=2, seconds=0.3), free_port
    server = serve(start_server, path, port)
    contexts = [
        browser.new_context(viewport={"width": 1280, "height": 900}),
        browser.new_context(viewport={"width": 360, "height": 740}, color_scheme="dark"),
    ]
    pages = [context.new_page() for context in contexts]
    outside, faults = [], []
    for page in pages:
        page.on("request", lambda r: outside.append(r.url) if f":{port}" not in r.url else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"http://127.0.0.1:{port}/")
        page.locator("#begin").wait_for()
    for page, name in zip(pages, ("wide", "phone"), strict=True):
        picture_of(page, f"{name}-consent")
        # Nothing is cut off at the side.
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    pages[0].keyboard.press("Enter")  # the button has the focus
    pages[1].locator("#begin").click()
    by_hand = [[], []]
    for number in range(1, 13):
        for person, page in enumerate(pages):
            wait_for(page, number)
            if number == 3:
                look_at(page, ("wide", "phone")[person])
            if number == 5 and person == 0:
                page.reload()
                wait_for(page, 5)
            if number == 7 and person == 1:
                server.kill()
                server.wait()
                # The answer is given while nobody is there to take it.
                page.locator("button[data-answer=fake]").click()
                page.locator("#trouble:not([hidden])").wait_for()
                picture_of(page, "phone-trouble")
                by_hand[person].append("fake")
                server = serve(start_server, path, port)
                continue
            real = (number + person) % 3 == 0
            by_hand[person].append("real" if real else "fake")
            if person == 0:
                page.keyboard.press("r" if real else "ArrowRight")
            else:
                page.locator(f"button[data-answer={'real' if real else 'fake'}]").click()
    for page, name in zip(pages, ("wide", "phone"), strict=True):
        page.locator("#end").wait_for()
        picture_of(page, f"{name}-end")
        page.reload()
        page.locator("#end").wait_for()
    server.send_signal(signal.SIGINT)
    server.wait(timeout=20)
    assert not outside
    assert not faults

    check_by_hand(path, by_hand, tmp_path)
    for context in contexts:
        context.close()


def test_preference_by_keyboard_alone_with_names_for_a_screen_reader(
    make_study, browser, start_server, free_port, tmp_path
):
    path, port = make_study("preference", count=3, practice=1, seconds=0), free_port
    serve(start_server, path, port)
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto(f"http://127.0.0.1:{port}/")
    page.locator("#begin").wait_for()
    page.keyboard.press("Enter")
    wait_for(page, 1)
    names = [image.get_attribute("alt") for image in page.locator("#pictures img").all()]
    assert names == ["The person", "The left picture", "The right picture"]
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    picture_of(page, "phone-preference")
    buttons = page.get_by_role("group", name="Which one looks better?").get_by_role("button")
    assert buttons.count() == 2
    for number in (1, 2, 3):
        wait_for(page, number)
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # the first button: left
    page.locator("#end").wait_for()
    page.close()
    base = sqlite3.connect(tmp_path / "study.sqlite")
    rows = base.execute(
        "SELECT answer, left FROM answer JOIN item USING (participant, position)"
    ).fetchall()
    assert len(rows) == 3
    assert all(answer == left for answer, left in rows)


def test_a_reload_gives_no_second_look_and_the_next_person_gets_their_own_items(
    make_study, browser, start_server, free_port
):
    path, port = make_study(count=1, practice=0, seconds=0.3), free_port
    serve(start_server, path, port)
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{port}/")
    page.locator("#begin").click()
    page.wait_for_function("() => !!document.querySelector('#pictures .gone')")
    page.reload()
    wait_for(page, 1)
    assert page.locator("#pictures img:not(.gone)").count() == 0
    for number in (1, 2):
        wait_for(page, number)
        page.keyboard.press("r")
    page.locator("#another").click()
    page.locator("#begin").click()
    wait_for(page, 1)
    page.locator("#pictures img:not(.gone)").wait_for()
    page.close()


def test_a_picture_whose_transfer_breaks_off_is_fetched_again(
    make_study, browser, start_server, free_port
):
    path, port = make_study(count=1, practice=0, seconds=0), free_port
    serve(start_server, path, port)
    page = browser.new_page()
    page.add_init_script(
        """const whole = window.fetch; let broken = 0;
        window.fetch = async (path, options) => {
          const response = await whole(path, options);
          if (String(path).endsWith(".png") && !broken++)
            response.blob = () => Promise.reject(new TypeError("network error"));
          return response;
        };"""
    )
    page.goto(f"http://127.0.0.1:{port}/")
    page.locator("#begin").click()
    wait_for(page, 1)
    assert page.locator("#pictures img:not(.gone)").count() == 1
    page.close()
