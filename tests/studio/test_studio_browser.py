"""The studio in a real browser, with a server and as a static site whose server is gone."""

import functools
import http.server
import io
import os
import shutil
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from deformgan.cli.main import main
from deformgan.datasets.bundled_people import bundled_people
from deformgan.inputs import PosedPhoto
from deformgan.pose import Pose
from deformgan.pose_formats import read_pose
from deformgan.predict import PoseTransfer
from deformgan.skeletons.openpose18 import OPENPOSE18

pytest.importorskip("fastapi", reason="needs the extra 'web': uv sync --extra web")
pytest.importorskip("websockets", reason="needs the extra 'web': uv sync --extra web")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-core")

pytestmark = pytest.mark.slow
COLOUR = "#dfe7ee"  # behind the person; the painted scene of a page is not that of `generate`
SHOTS = os.environ.get("DEFORMGAN_SCREENSHOTS")  # a folder for pictures of the pages
SITE = os.environ.get("DEFORMGAN_SITE")  # a site that was exported before


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if SITE:
        return SITE
    if shutil.which("npm") is None:
        pytest.skip("needs npm, which fetches onnxruntime-web")
    pytest.importorskip("onnxscript", reason="needs the extra 'export'")
    folder = tmp_path_factory.mktemp("studio") / "site"
    assert main(["studio", "--export", str(folder)]) == 0
    return str(folder)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A plain web server that writes no log."""

    def log_message(self, format, *args):
        """Write nothing."""


@pytest.fixture
def serve(request, free_port, start_server):
    """Return the address, and functions that end the server and start it again."""
    url, running = f"http://127.0.0.1:{free_port}/", []

    def begin():
        if request.param == "server":
            words = ["studio", "--port", str(free_port)]
            running.append(start_server(words, f"{url}about.json"))
            return
        handler = functools.partial(Quiet, directory=request.getfixturevalue("site"))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)

    def end():
        for server in running:
            if request.param == "server":
                server.kill()
                server.wait()
            else:
                server.shutdown()
                server.server_close()
        running.clear()

    begin()
    yield url, end, begin
    end()


class Studio:
    """One page, and what a person does on it."""

    def __init__(self, browser, url, **options):
        self.page = browser.new_context(**options).new_page()
        self.page.set_default_timeout(120_000)
        self.faults, self.outside = [], []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on(
            "request",
            lambda r: None if r.url.startswith((url, "blob:")) else self.outside.append(r.url),
        )
        self.page.goto(url)
        self.ready()

    def ready(self):
        """Wait for the first picture."""
        # Functions, not bare expressions: the page's policy forbids eval, which polls the latter.
        self.page.wait_for_function("() => document.documentElement.dataset.ready")
        self.settle()

    def settle(self):
        """Wait for the picture of the latest pose."""
        self.page.wait_for_timeout(100)
        self.page.locator("#picture[aria-busy=false]").wait_for()

    def upload(self, where, photo, name="photo.png"):
        """Choose a file, and wait for what the page makes of it."""
        content = photo
        if not isinstance(photo, bytes):
            out = io.BytesIO()
            Image.fromarray(photo).save(out, "PNG")
            content = out.getvalue()
        before = self.page.locator("#sources").inner_html()
        self.page.evaluate("() => { document.getElementById('trouble').hidden = true; }")
        file = {"name": name, "mimeType": "image/png", "buffer": content}
        self.page.locator(f"#{where}").set_input_files(file)
        self.page.wait_for_function(
            "before => document.getElementById('sources').innerHTML !== before || "
            "!document.getElementById('trouble').hidden",
            arg=before,
        )
        self.settle()

    def pose(self, svg="#target"):
        """Return the joints as drawn, and whether each is visible."""
        dots = self.page.locator(f"{svg} circle.dot").evaluate_all(
            "dots => dots.map(dot => [Number(dot.getAttribute('cx')), "
            "Number(dot.getAttribute('cy')), dot.classList.contains('hidden')])"
        )
        return np.array([dot[:2] for dot in dots]), [not dot[2] for dot in dots]

    def drag(self, start, end, svg="#target"):
        """Drag from one place of the picture to another, in pixels of the model's image."""
        box = self.page.locator(svg).bounding_box()
        width = float(self.page.locator(svg).get_attribute("viewBox").split()[2])
        scale = box["width"] / width
        (x, y), (to_x, to_y) = (
            (box["x"] + (at[0] + 0.5) * scale, box["y"] + (at[1] + 0.5) * scale)
            for at in (start, end)
        )
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move((x + to_x) / 2, (y + to_y) / 2)
        self.page.mouse.move(to_x, to_y)
        self.page.mouse.up()
        self.settle()

    def save(self, button="#save"):
        """Return the file that a button saves."""
        with self.page.expect_download() as download:
            self.page.locator(button).click()
        return download.value.path()

    def saved(self):
        """Return the picture that is saved."""
        with Image.open(self.save()) as image:
            return np.array(image)

    def shot(self, name):
        """Write a picture of the page."""
        if SHOTS:
            self.page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def index(name):
    return OPENPOSE18.index(name)


def photo_of(person, view=0):
    """Return a photo larger than the model's image, with room beside the person."""
    photo = Image.fromarray(bundled_people()[person][view].photo).resize(
        (192, 384), Image.Resampling.BICUBIC
    )
    return np.pad(np.array(photo), ((10, 10), (60, 60), (0, 0)), mode="edge")


def generated(studio, photos, transfer, rows):
    """Generate in Python what the page shows."""
    people = []
    for slot, photo in enumerate(photos):
        joints, visible = studio.pose(f"#sources .frame:nth-child({slot + 1}) svg")
        pose = Pose(torch.tensor(joints, dtype=torch.float32)[None], torch.tensor([visible]))
        people.append(PosedPhoto(pose, photo.shape[:2], photo))
    target = PosedPhoto(read_pose(str(studio.save("#save-pose"))), (128, 64))
    (picture,) = transfer.generate(people, target, size=rows, background=COLOUR)
    return picture


def assert_equal(found, wanted):
    away = np.abs(found[..., :3].astype(int) - wanted)
    assert (away <= 2).mean() >= 0.99, (away.mean(), away.max())


def assert_accessible(page):
    found = axe.Axe().run(page).response["violations"]
    assert not [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]


def refuse_what_is_no_photo(studio):
    trouble = studio.page.locator("#trouble")
    for name, content in (
        ("a.jpg", b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"),
        ("b.jpg", b"<!doctype html><script>alert(1)</script>"),
        ("c.jpg", b"%!PS-Adobe-3.0"),
    ):
        studio.upload("file", content, name)
        assert "cannot be read" in trouble.text_content()
    studio.upload("file", np.full((200, 100, 3), 127, dtype=np.uint8))
    assert "No person was found" in trouble.text_content()
    assert studio.saved().std() > 20  # what was there before is still there


def drag_a_dot_and_a_limb(studio, photo, transfer):
    """Return the picture after the first."""
    wrist = index("left_wrist")
    before, _ = studio.pose()
    first = studio.saved()
    studio.drag(before[wrist], before[wrist] - [0, 25])
    after, _ = studio.pose()
    assert np.abs(after[wrist] - before[wrist] - [0, -25]).max() < 1
    assert np.abs(np.delete(after - before, wrist, axis=0)).max() == 0
    picture = studio.saved()
    assert np.abs(picture.astype(int) - first).max() > 50
    assert_equal(picture, generated(studio, [photo], transfer, 256))

    hip, knee, ankle = (index(f"right_{name}") for name in ("hip", "knee", "ankle"))
    middle = (after[hip] + after[knee]) / 2
    studio.drag(middle, middle - [8, 0])
    turned, _ = studio.pose()
    assert turned[knee][0] < after[knee][0] - 8
    for one, other in ((hip, knee), (knee, ankle)):
        lengths = [np.linalg.norm(pose[one] - pose[other]) for pose in (after, turned)]
        assert abs(lengths[0] - lengths[1]) < 1e-6
    studio.page.locator("#undo").click()
    studio.settle()
    assert np.abs(studio.pose()[0] - after).max() == 0
    studio.page.keyboard.press("Control+Shift+z")
    studio.settle()
    assert np.abs(studio.pose()[0] - turned).max() == 0
    return picture


def hide_a_dot_by_keyboard(studio, photo, transfer):
    elbow = index("left_elbow")
    dot, before = studio.page.locator("#target circle.dot").nth(elbow), studio.pose()[0]
    dot.focus()
    studio.page.keyboard.press("ArrowLeft")
    assert abs(studio.pose()[0][elbow][0] - before[elbow][0] + 1) < 1e-6
    studio.page.locator("#hide").click()
    assert dot.get_attribute("aria-label") == "left elbow, hidden"
    studio.settle()
    assert_equal(studio.saved(), generated(studio, [photo], transfer, 256))
    studio.page.keyboard.press("Control+z")
    assert studio.pose()[1][elbow]


def change_the_background(studio, picture):
    page = studio.page
    page.locator("input[name=background][value=none]").check()
    alone = studio.saved()
    assert alone.shape == (256, 128, 4)
    assert (alone[..., 3] == 0).mean() > 0.2
    assert (alone[..., 3] == 255).mean() > 0.1
    page.locator("#colour").fill("#336699")
    assert (studio.saved()[0, 0] == [0x33, 0x66, 0x99, 255]).all()
    page.locator("input[name=background][value=own]").check()
    studio.settle()
    own = studio.saved()
    assert np.abs(own[..., :3].astype(int) - picture[..., :3]).mean() > 3
    page.locator("input[name=background][value=paint]").check()


def add_another_photo(studio, photo, other, transfer):
    one = studio.saved()
    studio.upload("second", other)
    two = studio.saved()
    assert np.abs(one.astype(int) - two).max() > 5  # the copy changes, if little
    studio.page.locator("#colour").fill(COLOUR)
    assert_equal(studio.saved(), generated(studio, [photo, other], transfer, 256))
    studio.page.locator("#drop-second").click()
    studio.settle()


def save_animations(studio, stated):
    page = studio.page
    for pose in ("Wave", "Squat"):
        page.get_by_role("button", name=pose).click()
        page.locator("#add-step").click()
    studio.settle()
    second = studio.saved()[..., :3].astype(int)
    for kind, most in (("gif", 24), ("webp", 6)):  # 252 colours; compressed
        page.locator("#format").select_option(kind)
        with Image.open(studio.save("#save-animation")) as moving:
            assert (getattr(moving, "n_frames", 1), moving.size) == (24, (128, 256))
            assert "trainedAlgorithmicMedia" in str(moving.info) or (
                moving.info["comment"] == stated.text.encode()
            )
            moving.seek(12)  # half of the way: the second pose
            frame = np.array(moving.convert("RGB")).astype(int)
        assert np.abs(frame - second).mean() < most


@pytest.mark.parametrize("serve", ["server", "site"], indirect=True)
@pytest.mark.timeout(1500)
def test_a_person_is_moved_and_saved(browser, serve, request):
    url, end, begin = serve
    kind = request.node.callspec.params["serve"]
    studio = Studio(browser, url, viewport={"width": 1280, "height": 900})
    page, trouble = studio.page, studio.page.locator("#trouble")
    studio.shot(f"{kind}-wide")
    assert studio.saved().std() > 20  # a picture, before anything was uploaded
    refuse_what_is_no_photo(studio)

    photo, transfer = photo_of(9), PoseTransfer.from_pretrained("pedestrian", "cpu")
    with Image.open(studio.save()) as image:
        image.verify()  # the checksums of its chunks
        assert image.info["Description"] == transfer.metadata.text
        assert image.info["XML:com.adobe.xmp"] == transfer.metadata.xmp.decode()
    studio.upload("file", photo)
    assert trouble.is_hidden()
    page.locator("#rows").select_option("256")
    page.locator("#colour").fill(COLOUR)
    studio.settle()
    picture = drag_a_dot_and_a_limb(studio, photo, transfer)
    hide_a_dot_by_keyboard(studio, photo, transfer)
    change_the_background(studio, picture)
    add_another_photo(studio, photo, photo_of(9, 1), transfer)
    save_animations(studio, transfer.metadata)

    if kind == "server":
        end()
        before = studio.pose()[0]
        page.locator("#mirror").click()
        trouble.wait_for()
        assert "Trying again" in trouble.text_content()
        begin()
        studio.settle()
        assert trouble.is_hidden()
        assert np.abs(studio.pose()[0] - before).max() > 0.1
        assert_equal(studio.saved(), generated(studio, [photo], transfer, 256))
    else:
        page.wait_for_function("() => navigator.serviceWorker.controller")
        end()  # all that follows is from the browser alone
    page.reload()
    studio.ready()
    assert studio.saved().std() > 20
    studio.upload("file", photo)
    assert trouble.is_hidden()
    assert not studio.faults
    assert not studio.outside


@pytest.mark.parametrize("serve", ["server", "site"], indirect=True)
@pytest.mark.timeout(900)
def test_anybody_can_use_it(browser, serve, request):
    url, _, _ = serve
    kind = request.node.callspec.params["serve"]
    for name, options in (
        ("phone", {"viewport": {"width": 360, "height": 740}, "has_touch": True}),
        ("dark", {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"}),
    ):
        studio = Studio(browser, url, **options, reduced_motion="reduce")
        page = studio.page
        page.locator("summary").click()
        page.locator("#found").check()
        page.locator("#parts").check()
        page.locator("#add-step").click()
        studio.shot(f"{kind}-{name}")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert_accessible(page)
        page.context.close()


@pytest.mark.parametrize("serve", ["server"], indirect=True)
@pytest.mark.timeout(900)
def test_the_plain_canvas_draws_what_webgl_draws(browser, serve):
    url, _, _ = serve
    pictures = []
    for address in (url, f"{url}?plain"):
        studio = Studio(browser, address)
        page, layers = studio.page, []
        page.locator("#rows").select_option("128")
        page.locator("summary").click()
        studio.settle()
        for layer in range(7):
            page.locator(f"input[name=layer][value='{layer}']").check()
            layers.append(studio.saved())
        pictures.append(np.stack(layers).astype(int))
        page.context.close()
    assert np.abs(pictures[0] - pictures[1]).max() <= 1
    assert len({layer.tobytes() for layer in pictures[0]}) == 7
