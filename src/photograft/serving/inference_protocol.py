"""The Open Inference Protocol (version 2), as KServe and Triton clients speak it: requests read, answers written.

Photos come as files (`image`, BYTES: base64 in JSON, or bytes behind the JSON) or as pixels (`pixels`, UINT8 of shape
(N, H, W, 3)). Source: https://github.com/kserve/open-inference-protocol and, for tensors as bytes behind the JSON,
https://docs.nvidia.com/deeplearning/triton-inference-server ("binary tensor data extension").
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from photograft.inference.classifier import Prediction
from photograft.models.bundle import Bundle
from photograft.serving.guard import Refused
from photograft.values import PixelArray

LENGTH_HEADER = "inference-header-content-length"
_FILES, _PIXELS = "image", "pixels"
_OUTPUTS = ("label", "probability", "status", "reason", "probabilities")


class Tensor(BaseModel):
    """An input as a client sends it."""

    name: str = Field(max_length=200)
    shape: list[int] = Field(max_length=8)
    datatype: Literal["BYTES", "UINT8"]
    parameters: dict[str, Any] | None = None
    data: Any = None


class WantedOutput(BaseModel):
    """An output that a client asks for."""

    name: str = Field(max_length=200)
    parameters: dict[str, Any] | None = None


class InferRequest(BaseModel):
    """The JSON of a request."""

    id: str | None = Field(default=None, max_length=200)
    parameters: dict[str, Any] | None = None
    inputs: list[Tensor] = Field(min_length=1, max_length=1)
    outputs: list[WantedOutput] | None = None


REQUEST_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": ["string", "null"], "maxLength": 200},
        "parameters": {"type": ["object", "null"]},
        "inputs": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "required": ["name", "shape", "datatype", "data"],
                "properties": {
                    "name": {"enum": [_FILES]},
                    "shape": {"type": "array", "items": {"enum": [1]}, "minItems": 1, "maxItems": 2},
                    "datatype": {"enum": ["BYTES"]},
                    "parameters": {"type": ["object", "null"]},
                    "data": {
                        "type": "array",
                        "items": {"type": "string", "contentEncoding": "base64", "pattern": "^([A-Za-z0-9+/]{4})*$"},
                        "minItems": 1,
                        "maxItems": 1,
                    },
                },
            },
        },
        "outputs": {
            "type": ["array", "null"],
            "items": {"type": "object", "required": ["name"], "properties": {"name": {"enum": [*_OUTPUTS]}}},
        },
    },
}
"""One photo as base64. More photos, pixels, and bytes behind the JSON are taken too; the guide shows them."""


def read_request(body: bytes, json_length: str | None) -> tuple[InferRequest, list[bytes] | PixelArray]:
    """A request, and its photos as files, or as pixels (N, H, W, 3).

    Raises:
        Refused: It is not as the protocol says.
    """
    end = len(body) if json_length is None else _length(json_length, len(body))
    try:
        request = InferRequest.model_validate_json(body[:end])
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise _bad(f"{'.'.join(map(str, first['loc'])) or 'the body'}: {first['msg']}") from error
    wanted = {each.name for each in request.outputs or ()}
    if unknown := sorted(wanted - set(_OUTPUTS)):
        raise _bad(f"there is no output {unknown[0]!r}; there are {', '.join(_OUTPUTS)}")
    tensor, behind = request.inputs[0], body[end:]
    if (tensor.name, tensor.datatype) == (_FILES, "BYTES"):
        return request, _files(tensor, behind)
    if (tensor.name, tensor.datatype) == (_PIXELS, "UINT8"):
        return request, _pixels(tensor, behind)
    raise _bad(f"the input is `{_FILES}` with BYTES, or `{_PIXELS}` with UINT8")


def write_answer(
    request: InferRequest, model: str, classes: Sequence[str], predictions: Sequence[Prediction]
) -> dict[str, Any]:
    """The answer: one value per photo and output; of a rejected photo empty texts and zeros."""
    n = len(predictions)
    shares = [dict(each.top) for each in predictions]
    tensors = {
        "label": ("BYTES", [n], [each.label or "" for each in predictions]),
        "probability": ("FP32", [n], [each.probability or 0.0 for each in predictions]),
        "status": ("BYTES", [n], [each.status for each in predictions]),
        "reason": ("BYTES", [n], [each.reason for each in predictions]),
        "probabilities": ("FP32", [n, len(classes)], [each.get(name, 0.0) for each in shares for name in classes]),
    }
    wanted = _OUTPUTS if request.outputs is None else dict.fromkeys(each.name for each in request.outputs)
    return {
        "model_name": model,
        "model_version": "1",
        **({} if request.id is None else {"id": request.id}),
        "outputs": [
            dict(zip(("name", "datatype", "shape", "data"), (name, *tensors[name]), strict=True)) for name in wanted
        ],
    }


def describe_tensors(name: str, bundle: Bundle) -> dict[str, Any]:
    """What the model takes, one of two inputs, and what it gives."""
    k = len(bundle.classes)
    shapes = {"probabilities": ("FP32", [-1, k]), "probability": ("FP32", [-1])}
    return {
        "name": name,
        "versions": ["1"],
        "platform": "photograft_onnx",
        "inputs": [
            {"name": _FILES, "datatype": "BYTES", "shape": [-1]},
            {"name": _PIXELS, "datatype": "UINT8", "shape": [-1, -1, -1, 3]},
        ],
        "outputs": [
            dict(zip(("name", "datatype", "shape"), (each, *shapes.get(each, ("BYTES", [-1]))), strict=True))
            for each in _OUTPUTS
        ],
        "parameters": {"classes": list(bundle.classes)},
    }


def _files(tensor: Tensor, behind: bytes) -> list[bytes]:
    n = _count(tensor.shape, 1) if len(tensor.shape) == 1 else _count(tensor.shape, 2)
    given = _split(behind) if tensor.data is None else _decoded(tensor.data)
    if len(given) != n:
        raise _bad(f"the shape says {n} photos, and there are {len(given)}")
    return given


def _count(shape: Sequence[int], dimensions: int) -> int:
    """The number of photos in a shape (N) or (N, 1)."""
    if len(shape) != dimensions or shape[0] < 1 or any(each != 1 for each in shape[1:]):
        raise _bad(f"the shape of `{_FILES}` is [N], with N of at least 1")
    return shape[0]


def _decoded(data: Any) -> list[bytes]:
    texts = [each[0] if isinstance(each, list) and len(each) == 1 else each for each in _list(data)]
    try:
        return [base64.b64decode(each, validate=True) for each in texts]
    except (binascii.Error, ValueError, TypeError) as error:
        raise _bad(f"the data of `{_FILES}` are files as base64 texts") from error


def _split(behind: bytes) -> list[bytes]:
    """Elements of a BYTES tensor, each with its length before it."""
    found, at = [], 0
    while at < len(behind):
        if at + 4 > len(behind):
            raise _bad("the bytes behind the JSON end early")
        (size,) = struct.unpack_from("<I", behind, at)
        found.append(behind[at + 4 : at + 4 + size])
        at += 4 + size
        if at > len(behind):
            raise _bad("the bytes behind the JSON end early")
    return found


def _pixels(tensor: Tensor, behind: bytes) -> PixelArray:
    shape = tensor.shape
    if len(shape) != 4 or shape[3] != 3 or min(shape) < 1:
        raise _bad(f"the shape of `{_PIXELS}` is [N, height, width, 3]")
    size = shape[0] * shape[1] * shape[2] * shape[3]
    if tensor.data is None:
        values = np.frombuffer(behind, np.uint8)
    else:
        try:
            values = np.asarray(_list(tensor.data)).ravel()
        except (ValueError, OverflowError, RecursionError) as error:
            raise _bad(f"the data of `{_PIXELS}` are no tensor") from error
        if values.dtype.kind != "i" or values.size == 0 or values.min() < 0 or values.max() > 255:
            raise _bad(f"the data of `{_PIXELS}` are whole numbers from 0 to 255")
    if values.size != size:
        raise _bad(f"the shape says {size} numbers, and there are {values.size}")
    return values.astype(np.uint8).reshape(shape)


def _list(data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise _bad("data must be a list")
    return data


def _length(text: str, most: int) -> int:
    if not text.isdecimal() or int(text) > most:
        raise _bad("Inference-Header-Content-Length is the length of the JSON in the body")
    return int(text)


def _bad(what: str) -> Refused:
    return Refused(422, "bad_tensor", f"{what[:1].upper()}{what[1:]}.")
