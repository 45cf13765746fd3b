"""Routes of what goes beyond a label: similar photos with their thumbnails, and heat maps."""

# No postponed annotations: FastAPI reads those of the routes, which name what is only known where they are added.

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from photograft.errors import ImageRejected
from photograft.inference.compose import factors_of
from photograft.models.bundle import Bundle
from photograft.serving import answers
from photograft.serving.describe import json_answer, photo_body
from photograft.serving.guard import Refused
from photograft.serving.heat import HeatMaps
from photograft.serving.service import Service
from photograft.serving.similar import SimilarPhotos
from photograft.serving.uploads import Bodies, photos_in

_TAKEN = 1000
_ID = "^[0-9a-f]{16}$"


def add_similar(app: FastAPI, service: Service, bodies: Bodies, similar: SimilarPhotos | None) -> None:
    """Add the routes; without an index those of similar photos answer that there is none."""
    _add_matches(app, service, bodies, similar)
    _add_heat_map(app, service, bodies)


def _add_matches(app: FastAPI, service: Service, bodies: Bodies, similar: SimilarPhotos | None) -> None:
    @app.post(
        "/v1/similar",
        responses={200: {"model": answers.Similar, "description": "the most similar photos, best first"}},
        openapi_extra=photo_body(most=1),
    )
    async def nearest(
        request: Request,
        top: Annotated[int, Query(ge=1, le=_TAKEN, description="How many photos to name.")] = 12,
        label: Annotated[str | None, Query(description="Among photos with this label alone.")] = None,
        folder: Annotated[str | None, Query(description="Among photos below this folder alone.")] = None,
    ) -> Response:
        """Photos of the index that are like one photo."""
        known = _require(similar)
        async with _one_photo(request, service, bodies) as data:
            found = await known.of(data, top=top, label=label or None, folder=folder or None)
        return json_answer({"matches": found})

    @app.get(
        "/v1/thumbnails/{opaque}",
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}, "description": "a small JPEG"}},
    )
    def thumbnail(opaque: Annotated[str, Path(description="The id of a match.")]) -> Response:
        """The thumbnail of a photo of the index."""
        jpeg = _require(similar).index.thumbnail(opaque) if re.fullmatch(_ID, opaque) else None
        if jpeg is None:
            raise Refused(404, "no_thumbnail", "There is no thumbnail with this id.")
        return Response(jpeg, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600"})


def _require(similar: SimilarPhotos | None) -> SimilarPhotos:
    if similar is None:
        raise Refused(404, "no_index", "This server has no index of photos: --index names one.")
    return similar


def _add_heat_map(app: FastAPI, service: Service, bodies: Bodies) -> None:
    bundle = service.first.bundle
    maps = HeatMaps(bundle)
    known = {"enum": _labels(bundle)}

    @app.post(
        "/v1/heat-map",
        responses={200: {"model": answers.HeatMap, "description": "where the evidence lies"}},
        openapi_extra=photo_body(most=1),
    )
    async def heat_map(
        request: Request,
        label: Annotated[
            str | None, Query(description="By default what is predicted.", json_schema_extra=known)
        ] = None,
    ) -> Response:
        """Where in a photo the evidence for a label lies."""
        if label is not None and label not in known["enum"]:
            raise Refused(422, "unknown_label", "The model knows no such label; /v1/model lists those it knows.")
        async with _one_photo(request, service, bodies) as data:
            photo = await service.decode(data)
            said = await service.batcher.run(photo.pixels)
            prediction = said.predictions[service.heads.names[0]]
            document = await run_in_threadpool(maps.of, photo, label=label, prediction=prediction)
        return json_answer(document)


def _labels(bundle: Bundle) -> list[str]:
    """Everything that a heat map can be asked about."""
    factors = factors_of(bundle.info.targets, bundle.info.joint)
    return list(dict.fromkeys([*bundle.classes, *(value for factor in factors for value in factor.classes)]))


@asynccontextmanager
async def _one_photo(request: Request, service: Service, bodies: Bodies) -> AsyncIterator[bytes]:
    """The only photo of a request, while there is room for it; one that cannot be used is an error (422)."""
    async with bodies.read(request) as body:
        (photo,) = photos_in(body, request.headers.get("content-type", ""), most=1)
        with service.house.admit(1):
            try:
                yield photo.data
            except ImageRejected as rejected:
                raise Refused(422, "rejected", str(rejected)) from rejected
