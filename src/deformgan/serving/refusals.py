"""Errors of an application as answers: what is wrong with a request, or why to try again."""

import sqlite3
import sys

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from deformgan.errors import InputError, printable


def answer_errors(app: FastAPI) -> None:
    """Let an application answer 422 for a wrong request and 503 for what may pass.

    FastAPI repeats a wrong value in its answer, which fails for NaN and for half a surrogate pair.
    """

    @app.exception_handler(RequestValidationError)
    async def wrong(request: Request, error: RequestValidationError) -> JSONResponse:
        details = [
            {"loc": [printable(str(step)) for step in one["loc"]], "msg": printable(one["msg"])}
            for one in error.errors()
        ]
        return JSONResponse({"detail": details}, 422)

    @app.exception_handler(InputError)
    async def refused(request: Request, error: InputError) -> JSONResponse:
        return JSONResponse({"detail": printable(str(error))}, 422)

    @app.exception_handler(sqlite3.Error)
    async def busy(request: Request, error: Exception) -> JSONResponse:
        return later(f"The database cannot be used now: {error}.")

    @app.exception_handler(OSError)
    async def unreadable(request: Request, error: Exception) -> JSONResponse:
        # The browser is not told any path of this machine.
        return later(str(error), "A file of the server cannot be read or written now.")


def later(why: str, told: str | None = None) -> JSONResponse:
    """Return an answer that asks to try again, and tell the operator why.

    Args:
        why: For the operator, on standard error.
        told: For the client; by default the same.
    """
    print(f"deformgan: {printable(why)}", file=sys.stderr, flush=True)
    return JSONResponse({"detail": printable(told or why)}, 503, {"Retry-After": "1"})
