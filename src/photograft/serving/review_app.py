"""The review page as a web application: the queue, pictures by opaque ids, decisions into the journal."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from photograft.data.files import printable
from photograft.errors import ConfigError, ImageRejected, PhotograftError
from photograft.serving.guard import MOST_BODY_BYTES, Guard, PageAccess, Refused, Secrets, error_body
from photograft.values import Photo
from photograft.workflow.neighbours import Neighbour, Neighbours
from photograft.workflow.review import Decision, Review
from photograft.workflow.review_photos import LARGE_PX, SMALL_PX, PhotoPictures
from photograft.workflow.review_queue import QueueItem

_SIZES = {"large": LARGE_PX, "small": SMALL_PX}
_OF_ALL_PAGES = "ground.css"
_ASSETS = {_OF_ALL_PAGES: "text/css", "review.css": "text/css", "review.js": "text/javascript"}
_NEIGHBOURS = 6
_DECODED_AT_ONCE = 4


class DecisionBody(BaseModel):
    """A decision as the page sends it."""

    model_config = ConfigDict(extra="forbid", strict=True)
    id: str = Field(max_length=64)
    action: str = Field(max_length=20)
    labels: list[str] = Field(default=[], max_length=1000)


class PhotoBody(BaseModel):
    """Which photo something is about."""

    model_config = ConfigDict(extra="forbid", strict=True)
    id: str = Field(max_length=64)


class NoBody(BaseModel):
    """Nothing is sent along."""

    model_config = ConfigDict(extra="forbid")


class Ids:
    """Opaque ids of the photos of a manifest: they tell nothing of a path, and hold for one session."""

    def __init__(self, photos: tuple[Photo, ...]) -> None:
        self._key = secrets.token_bytes(16)
        self._photos = {self.of(photo.name): photo for photo in photos}

    def of(self, name: str) -> str:
        """The id of a photo by its name."""
        return hmac.new(self._key, name.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:24]

    def photo(self, opaque: str) -> Photo:
        """The photo of an id; raises Refused where there is none."""
        if opaque not in self._photos:
            raise Refused(404, "unknown_photo", "There is no such photo in this run.")
        return self._photos[opaque]


class Session:
    """What the routes share: the review, its pictures and ids, and neighbours once they are known."""

    def __init__(self, review: Review, pictures: PhotoPictures, say: Callable[[str], None]) -> None:
        self.review, self.pictures, self.say = review, pictures, say
        self.ids = Ids(review.manifest.usable.photos)
        self.ended = threading.Event()
        self.neighbours: Neighbours | None = None
        self.neighbours_failed = False

    def queue(self) -> dict[str, Any]:
        """Everything that the page shows of the queue."""
        decisions = self.review.decisions()
        return {
            "run": printable(self.review.run.path.resolve().name),
            "classes": list(self.review.queue.classes),
            "several": self.review.queue.several,
            "items": [self._item(item, decisions.get(item.photo.name)) for item in self.review.queue.items],
        }

    def warm(self) -> None:
        """Have the first picture ready, and with it a decoder process."""
        with contextlib.suppress(PhotograftError, OSError):
            for item in self.review.queue.items[:1]:
                self.pictures.jpeg(item.photo, side=LARGE_PX)

    def nearest(self, photo: Photo) -> dict[str, Any]:
        """Photos like this one, those of its copies left out; `ready` says whether they are known yet."""
        if self.neighbours is None:
            return {"ready": self.neighbours_failed, "neighbours": []}
        copies = {copy.name for copy in self.review.queue.by_name[photo.name].copies}
        near = self.neighbours.of_photo(photo.name, top=_NEIGHBOURS + len(copies))
        shown = [self._neighbour(each) for each in near if each.name not in copies][:_NEIGHBOURS]
        return {"ready": True, "neighbours": shown}

    def queued(self, opaque: str) -> Photo:
        """The photo of the queue with this id; raises Refused where there is none."""
        photo = self.ids.photo(opaque)
        if photo.name not in self.review.queue.by_name:
            raise Refused(404, "unknown_photo", "This photo is not among those to be reviewed.")
        return photo

    def _item(self, item: QueueItem, decision: Decision | None) -> dict[str, Any]:
        return {
            "id": self.ids.of(item.photo.name),
            "path": printable(item.photo.name),
            "labels": list(item.labels),
            "suggested": list(item.suggested),
            "own": item.own,
            "likely": [{"label": label, "probability": share} for label, share in item.likely],
            "conflict": item.conflict,
            "copies": [
                {"id": self.ids.of(copy.name), "path": printable(copy.name), "labels": list(copy.all_labels)}
                for copy in item.copies
            ],
            "decision": show_decision(decision),
        }

    def _neighbour(self, near: Neighbour) -> dict[str, Any]:
        return {"id": self.ids.of(near.name), "path": printable(near.name), "label": near.label}


def show_decision(decision: Decision | None) -> dict[str, Any] | None:
    """A decision for the page; `undo` says whether it was taken after the run."""
    if decision is None:
        return None
    return {"action": decision.action, "labels": list(decision.labels), "undo": decision.line > 0}


def make_app(session: Session, secrets: Secrets, *, port: int) -> ASGIApp:
    """The application, guarded."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    _add_page(app, secrets, port)
    _add_reading(app, session)
    _add_writing(app, session)
    _add_errors(app, session.say)
    access = PageAccess(port=port, secrets=secrets)
    return Guard(app, access=access, say=session.say, most_body_bytes=MOST_BODY_BYTES)


def _add_page(app: FastAPI, secrets: Secrets, port: int) -> None:
    @app.get("/")
    def page() -> Response:
        html = _asset("index.html").decode().replace("{{write}}", secrets.write).encode()
        return Response(html, media_type="text/html", headers={"set-cookie": secrets.cookie(port)})

    @app.get("/assets/{name}")
    def asset(name: str) -> Response:
        if name not in _ASSETS:
            raise Refused(404, "not_found", "There is nothing at this address.")
        return Response(_asset(name), media_type=_ASSETS[name])


def _add_reading(app: FastAPI, session: Session) -> None:
    @app.get("/api/queue")
    def queue() -> JSONResponse:
        return JSONResponse(session.queue())

    @app.get("/api/neighbours/{opaque}")
    def neighbours(opaque: str) -> JSONResponse:
        return JSONResponse(session.nearest(session.queued(opaque)))

    @app.get("/api/summary")
    def summary() -> JSONResponse:
        return JSONResponse({"counts": session.review.counts(), "commands": session.review.commands()})

    decoding = asyncio.Semaphore(_DECODED_AT_ONCE)

    @app.get("/photos/{opaque}/{size}")
    async def photo(request: Request, opaque: str, size: str) -> Response:
        if size not in _SIZES:
            raise Refused(404, "not_found", "There is nothing at this address.")
        try:
            async with decoding:  # threads stay free for decisions, and what nobody waits for any more is left out
                if await request.is_disconnected():
                    return Response(status_code=204)
                jpeg = await run_in_threadpool(session.pictures.jpeg, session.ids.photo(opaque), side=_SIZES[size])
        except ImageRejected as rejected:
            raise Refused(404, "no_picture", "The photo is not there any more, or was changed since.") from rejected
        # The id holds for one session, so that what it shows never changes.
        return Response(jpeg, media_type="image/jpeg", headers={"cache-control": "private, max-age=86400, immutable"})


def _add_writing(app: FastAPI, session: Session) -> None:
    @app.post("/api/decisions")
    def decide(body: DecisionBody) -> JSONResponse:
        decision = session.review.decide(session.queued(body.id).name, body.action, body.labels)
        return JSONResponse({"decision": show_decision(decision)})

    @app.post("/api/undo")
    def undo(body: PhotoBody) -> JSONResponse:
        return JSONResponse({"decision": show_decision(session.review.undo(session.queued(body.id).name))})

    @app.post("/api/end")
    def end(body: NoBody) -> JSONResponse:
        session.ended.set()
        return JSONResponse({})


def _add_errors(app: FastAPI, say: Callable[[str], None]) -> None:
    def answer(request: Request, status: int, code: str, message: str) -> JSONResponse:
        return JSONResponse(error_body(code, message, request.scope["request_id"]), status_code=status)

    @app.exception_handler(Refused)
    def refused(request: Request, error: Refused) -> JSONResponse:
        return answer(request, error.status, error.code, error.message)

    @app.exception_handler(PhotograftError)
    def failed(request: Request, error: PhotograftError) -> JSONResponse:
        if isinstance(error, ConfigError):
            return answer(request, 422, "bad_decision", str(error))
        say(f"request {request.scope['request_id']}: {error}")  # it may name files of this machine
        return answer(request, 500, "not_written", "The decision could not be written; the terminal says why.")

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, _: RequestValidationError) -> JSONResponse:
        return answer(request, 422, "bad_request", "What was sent is not what is understood here.")

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 405:
            return answer(request, 405, "wrong_method", "This address does not take such a request.")
        if error.status_code == 404:
            return answer(request, 404, "not_found", "There is nothing at this address.")
        return answer(request, error.status_code, "bad_request", "What was sent is not what is understood here.")


def _asset(name: str) -> bytes:
    place = ("pages",) if name == _OF_ALL_PAGES else ("serving", "review_page")
    return files("photograft").joinpath(*place, name).read_bytes()
