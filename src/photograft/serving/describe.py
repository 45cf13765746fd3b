"""How routes answer in JSON, and how the OpenAPI file describes what they take and which errors there are."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Response

from photograft.serving import answers

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": answers.Error, "description": what}
    for status, what in {
        400: "not HTTP as it is understood here",
        401: "the token is missing",
        403: "another host name or site",
        404: "there is no such thing",
        405: "this address does not take such a request",
        408: "the request did not arrive in time",
        413: "too large, or too many photos",
        422: "the request is not what is understood here",
        500: "a mistake of the server's",
        503: "the server has enough to do; Retry-After says when to try again",
    }.items()
}

_BINARY = {"type": "string", "format": "binary", "minLength": 1}


def photo_body(*, most: int) -> dict[str, Any]:
    """How a route describes that it takes so many photos."""
    each = {"type": "string", "format": "binary"}
    files = {"type": "array", "items": each, "minItems": 1, "maxItems": most} if most > 1 else each
    form = {"type": "object", "properties": {"files": files}, "required": ["files"], "additionalProperties": False}
    content = {"multipart/form-data": {"schema": form}, "image/*": {"schema": _BINARY}}
    if most > 1:  # any bytes get a row there, if one that says that they are no photo
        content["application/octet-stream"] = {"schema": _BINARY}
    return {"requestBody": {"required": True, "content": content}}


def json_answer(document: Any, status: int = 200) -> Response:
    """An answer in JSON. Names that are no text were made printable before."""
    body = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return Response(body, status_code=status, media_type="application/json")
