"""The server as a web application: routes of photos and of the server itself, errors, and the guard around them."""

# No postponed annotations: FastAPI reads those of the routes, which name what is only known where they are added.

import time
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Scope

from photograft import __version__
from photograft.inference.classifier import Prediction
from photograft.inference.rows import prediction_row
from photograft.serving import answers, metrics
from photograft.serving.about import describe_model
from photograft.serving.access import ServiceAccess
from photograft.serving.api_inference import add_inference
from photograft.serving.api_similar import add_similar
from photograft.serving.describe import ERRORS, json_answer, photo_body
from photograft.serving.guard import Guard, Refused, error_body
from photograft.serving.page_app import add_page
from photograft.serving.service import Service
from photograft.serving.similar import SimilarPhotos
from photograft.serving.uploads import Bodies, Upload, photos_in

_TAKEN = 1000


def make_app(
    service: Service, access: ServiceAccess, *, similar: SimilarPhotos | None, verbose: bool, cookie: str | None
) -> ASGIApp:
    """The application, guarded; `cookie` is the header that gives the token to a browser."""
    app = FastAPI(
        title="photograft", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False, responses=ERRORS
    )
    bodies = Bodies(most_bytes=service.body_bytes, most_held=int(service.config.uploads_mb * 1_000_000))
    _add_predict(app, service, bodies)
    add_similar(app, service, bodies, similar)
    add_inference(app, service, bodies)
    _add_state(app, service, None if similar is None else similar.index.n)
    add_page(app, cookie=cookie)
    _add_errors(app)

    def answered(scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        service.metrics.answered(route, status, seconds)
        if verbose:
            service.say(f"{scope['request_id']} {scope['method']} {route} {status} {1000 * seconds:.1f} ms")

    return Guard(app, access=access, say=service.say, answered=answered)


def _add_predict(app: FastAPI, service: Service, bodies: Bodies) -> None:
    names = service.heads.names

    @app.post(
        "/v1/predict",
        responses={200: {"model": answers.Predictions, "description": "one row per photo"}},
        openapi_extra=photo_body(most=service.most_files),
    )
    async def predict(
        request: Request,
        top: Annotated[int, Query(ge=1, le=_TAKEN, description="How many classes to name.")] = 3,
        head: Annotated[
            str | None, Query(description="The only head to ask.", json_schema_extra={"enum": [*names]})
        ] = None,
    ) -> Response:
        """Classify photos: one as the body, or several in the field `files` of a form."""
        started = time.perf_counter()
        if head is not None and head not in names:
            raise Refused(422, "unknown_head", f"There is no such head; there are {', '.join(names)}.")
        async with bodies.read(request) as body:
            photos = photos_in(body, request.headers.get("content-type", ""), most=service.most_files)
            with service.house.admit(len(photos)):
                said = await service.predict_each([photo.data for photo in photos])
        rows = [_photo_row(service, *each, top, head) for each in zip(photos, said, strict=True)]
        return json_answer({"predictions": rows, "seconds": round(time.perf_counter() - started, 4)})


def _photo_row(
    service: Service, photo: Upload, said: dict[str, Prediction], top: int, head: str | None
) -> dict[str, Any]:
    heads = service.heads.classifiers
    asked = [head] if head is not None else service.heads.names
    rows = {name: prediction_row(said[name], top=top, several=heads[name].bundle.several) for name in asked}
    row = {"name": photo.name} | rows[asked[0]]
    return row if len(rows) == 1 else row | {"heads": rows}


def _add_state(app: FastAPI, service: Service, indexed: int | None) -> None:
    ok: dict[int | str, dict[str, Any]] = {200: {"model": answers.Health}}

    @app.get("/v1/model", responses={200: {"model": answers.Model, "description": "the model"}})
    async def model() -> Response:
        """What the model is, and how good it was tested to be."""
        return json_answer(describe_model(service, indexed=indexed))

    @app.get("/healthz", responses=ok)
    async def live() -> Response:
        """Whether the server lives."""
        return json_answer({"status": "ok"})

    @app.get("/readyz", responses=ok)
    async def ready() -> Response:
        """Whether the network is loaded and the decoders are there."""
        service.refuse_unready()
        return json_answer({"status": "ready"})

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def counted() -> Response:
        """Counters for Prometheus."""
        return Response(service.metrics.text(), headers={"content-type": metrics.CONTENT_TYPE})


def _add_errors(app: FastAPI) -> None:
    def answer(request: Request, refused: Refused) -> Response:
        response = json_answer(error_body(refused.code, refused.message, request.scope["request_id"]), refused.status)
        response.headers.update(refused.headers)
        return response

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        return answer(request, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        message = f"{first['loc'][-1]}: {first['msg']}."
        return answer(request, Refused(422, "bad_request", message))

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, _: ClientDisconnect) -> Response:
        return answer(request, Refused(400, "gone", "The client went away."))  # nobody reads it

    @app.exception_handler(Exception)
    async def failed(request: Request, _: Exception) -> Response:  # the guard says on the terminal what it was
        return answer(request, Refused(500, "unexpected", "Something went wrong; the server's log says what."))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            message = "This address does not take such a request."
            return answer(request, Refused(405, "wrong_method", message, error.headers))
        if error.status_code == 404:
            return answer(request, Refused(404, "not_found", "There is nothing at this address."))
        message = "What was sent is not what is understood here."
        return answer(request, Refused(error.status_code, "bad_request", message, error.headers))
