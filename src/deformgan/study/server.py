"""Web server of a study.

Nothing sent to a browser (URL, header or file type) distinguishes a real image from a generated
one: images are addressed by the item's position and re-encoded as PNG.
"""

import io
from typing import Annotated, Literal

from fastapi import FastAPI, HTTPException, Path, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from PIL import Image
from pydantic import BaseModel, Field

from deformgan.errors import InputError
from deformgan.files import bundled
from deformgan.photo_file import decode_photo
from deformgan.serving.rate import RateLimit
from deformgan.serving.refusals import answer_errors, later
from deformgan.study.config import picture_files
from deformgan.study.store import OutOfTurnError, Store, StudyFullError, UnknownParticipantError

AHEAD = 2  # items to prefetch, so that loading does not shorten the display time
_PAGE = bundled("study/page")
_KINDS = {"study.css": "text/css", "study.js": "text/javascript"}
# Positions beyond are no items, and SQLite stores integers of 64 bits.
_MOST_ITEMS = 1_000_000
_JOINS_PER_MINUTE = 60  # from one address; a class behind one router begins together

Slot = Literal["single", "left", "right", "reference"]
Position = Annotated[int, Path(ge=0, le=_MOST_ITEMS)]


class Given(BaseModel):
    """An answer as the page sends it."""

    answer: Literal["real", "fake", "left", "right"]
    milliseconds: float = Field(ge=0, le=86_400_000, allow_inf_nan=False)


def create_app(store: Store) -> FastAPI:
    """Create the web application of one study.

    Args:
        store: Open store; accessed from several threads.
    """
    study = store.study
    app = FastAPI(title="deformgan study", docs_url=None, redoc_url=None, openapi_url=None)
    answer_errors(app)
    joins = RateLimit(_JOINS_PER_MINUTE, 60.0)

    @app.exception_handler(UnknownParticipantError)
    async def unknown(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 404)

    @app.exception_handler(StudyFullError)
    async def full(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 403)

    @app.exception_handler(OutOfTurnError)
    async def out_of_turn(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 409)

    @app.get("/", response_class=HTMLResponse)
    def page() -> str:
        return _PAGE.joinpath("index.html").read_text(encoding="utf-8")

    @app.get("/page/{name}")
    def part_of_page(name: str) -> Response:
        if name not in _KINDS:
            raise HTTPException(404)
        return Response(_PAGE.joinpath(name).read_bytes(), media_type=_KINDS[name])

    @app.get("/api/study")
    def about() -> dict[str, object]:
        return {
            "title": study.title,
            "mode": study.mode,
            "consent": study.consent,
            "seconds": study.seconds,
            "practice": study.practice,
            "reference": study.reference is not None,
        }

    @app.post("/api/participants", status_code=201)
    def join(request: Request) -> dict[str, str]:
        if not joins.take("" if request.client is None else request.client.host):
            raise HTTPException(429, "too many begin at the same time", {"Retry-After": "1"})
        return {"id": store.join()}

    @app.get("/api/participants/{who}")
    def progress(who: str) -> dict[str, int]:
        done, total = store.done(who)
        return {"done": done, "total": total}

    @app.get("/api/participants/{who}/items/{position}/{slot}.png")
    def picture(who: str, position: Position, slot: Slot) -> Response:
        done, _ = store.done(who)
        if position > done + AHEAD:
            raise HTTPException(409, "this item is not available yet")
        item = store.item(who, position)
        key: str = slot
        if slot in ("left", "right") and item.left is not None:
            key = item.left if slot == "left" else {"a": "b", "b": "a"}[item.left]
        paths = picture_files(study, item.kind, item.picture)
        if key not in paths:
            raise HTTPException(404)
        try:
            return Response(_as_png(paths[key].read_bytes()), media_type="image/png")
        except InputError as error:  # damaged since the study was read: no fault of the participant
            return later(f"{paths[key]}: {error}", "A picture cannot be read now.")

    @app.put("/api/participants/{who}/items/{position}/answer")
    def answer(who: str, position: Position, given: Given) -> dict[str, int]:
        item = store.item(who, position)
        said: str = given.answer
        if item.left is not None and said in ("left", "right"):
            said = item.left if said == "left" else {"a": "b", "b": "a"}[item.left]
        if said not in item.answers():
            raise HTTPException(422, f"{given.answer!r} is not a valid answer to this item")
        store.answer(who, position, said, given.milliseconds)
        return progress(who)

    return app


def _as_png(content: bytes) -> bytes:
    upright = decode_photo(content)
    out = io.BytesIO()
    # Uncompressed, so that the file size does not reveal how smooth the image is.
    Image.fromarray(upright).save(out, "PNG", compress_level=0)
    return out.getvalue()
