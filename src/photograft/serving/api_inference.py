"""Routes of the Open Inference Protocol (version 2). Every head is a model there."""

# No postponed annotations: FastAPI reads those of the routes, which name what is only known where they are added.

import asyncio
from typing import Annotated, Any

from fastapi import FastAPI, Path, Request, Response
from PIL import Image
from starlette.concurrency import run_in_threadpool

from photograft import __version__
from photograft.data.images import to_pixels
from photograft.errors import ImageRejected
from photograft.inference.classifier import Prediction
from photograft.serving import answers
from photograft.serving.describe import json_answer
from photograft.serving.guard import Refused
from photograft.serving.inference_protocol import (
    LENGTH_HEADER,
    REQUEST_SCHEMA,
    describe_tensors,
    read_request,
    write_answer,
)
from photograft.serving.service import Service
from photograft.serving.uploads import Bodies
from photograft.values import PixelArray


def add_inference(app: FastAPI, service: Service, bodies: Bodies) -> None:
    """Add the routes."""
    _add_state(app, service)
    heads = service.heads.classifiers
    one_at_a_time = asyncio.Lock()  # of the JSON of a body a hundred times its size can become

    @app.post(
        "/v2/models/{name}/infer",
        responses={200: {"model": answers.Inferred, "description": "one value per photo and output"}},
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": REQUEST_SCHEMA}}}},
    )
    async def infer(request: Request, name: Annotated[str, Path(json_schema_extra={"enum": [*heads]})]) -> Response:
        """Predict photos: files in base64, or pixels."""
        classifier = heads[_known(name, service)]
        async with bodies.read(request) as body:
            async with one_at_a_time:
                asked, photos = await run_in_threadpool(read_request, body, request.headers.get(LENGTH_HEADER))
            if len(photos) > service.most_files:
                raise Refused(413, "too_many_photos", f"One request takes {service.most_files} photos at most.")
            with service.house.admit(len(photos)):
                if isinstance(photos, list):
                    said = await service.predict_each(photos)
                else:
                    said = [await _predict_pixels(service, each_HW3) for each_HW3 in photos]
        return json_answer(write_answer(asked, name, classifier.classes, [each[name] for each in said]))


async def _predict_pixels(service: Service, pixels_HW3: PixelArray) -> dict[str, Prediction]:
    """What every head says of a picture that came as pixels."""
    try:
        if pixels_HW3.shape[0] * pixels_HW3.shape[1] > service.most_pixels:
            raise ImageRejected("too_many_pixels", f"more than {service.most_pixels:,} pixels")
        contracts = service.first.bundle.contracts
        image = Image.fromarray(pixels_HW3)
        pixels = {key: await run_in_threadpool(to_pixels, image, contract) for key, contract in contracts.items()}
    except ImageRejected as rejected:
        return service.rejected(rejected)
    return (await service.batcher.run(pixels)).predictions


def _add_state(app: FastAPI, service: Service) -> None:
    heads = service.heads.classifiers
    named = Path(json_schema_extra={"enum": [*heads]})

    @app.get("/v2", responses={200: {"model": answers.Server, "description": "the server"}})
    async def server() -> Response:
        """What this server is."""
        extensions = ["binary_tensor_data"]
        return json_answer({"name": "photograft", "version": __version__, "extensions": extensions})

    @app.get("/v2/health/live", responses={200: {"model": answers.Live, "description": "it lives"}})
    async def live() -> Response:
        """Whether the server lives."""
        return json_answer({"live": True})

    @app.get("/v2/health/ready", responses={200: {"model": answers.Ready, "description": "it is ready"}})
    async def ready() -> Response:
        """Whether the models are ready."""
        service.refuse_unready()
        return json_answer({"ready": True})

    @app.get("/v2/models/{name}", responses={200: {"model": answers.Tensors, "description": "its tensors"}})
    async def model(name: Annotated[str, named]) -> Response:
        """What a model takes and gives."""
        return json_answer(describe_tensors(name, heads[_known(name, service)].bundle))

    @app.get("/v2/models/{name}/ready", responses={200: {"model": answers.ModelReady, "description": "it is ready"}})
    async def model_ready(name: Annotated[str, named]) -> Response:
        """Whether a model is ready."""
        answer: dict[str, Any] = {"name": _known(name, service), "ready": True}
        service.refuse_unready()
        return json_answer(answer)


def _known(name: str, service: Service) -> str:
    if name not in service.heads.classifiers:
        raise Refused(404, "unknown_model", f"There is no such model; there are {', '.join(service.heads.names)}.")
    return name
