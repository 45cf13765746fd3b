"""What the server answers, as the OpenAPI file describes it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """The form of an answer: nothing else is in it."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class ErrorFacts(Answer):
    """What went wrong."""

    code: str
    """For programs."""
    message: str
    """For people."""
    request_id: str
    """Also in the header `X-Request-Id` and, with --verbose, in the server's log."""


class Error(Answer):
    """The one form of errors."""

    error: ErrorFacts


class Ranked(Answer):
    """A class and how probable it is."""

    label: str
    probability: float = Field(ge=0, le=1)


class Factor(Ranked):
    """What the model says of one factor."""

    top: list[Ranked]


class Row(Answer):
    """What a head says of one photo. A rejected photo has neither label nor probability, and a reason instead."""

    status: Literal["ok", "unsure", "unfamiliar", "rejected"]
    label: str | None
    probability: float | None
    top: list[Ranked]
    reason: str = ""
    factors: dict[str, Factor] = {}
    labels: list[Ranked] = []
    """Where a photo may have several labels: those that reach their thresholds."""


class PhotoRow(Row):
    """What the model says of one photo of a request."""

    name: str
    """As the photo was sent."""
    heads: dict[str, Row] = {}
    """Where there are several heads: what each of them says."""


class Predictions(Answer):
    """One row per photo, in the order in which they were sent."""

    predictions: list[PhotoRow]
    seconds: float


class Match(Answer):
    """A photo of the index that is like the one that was sent."""

    id: str
    path: str
    label: str | None
    similarity: float
    same: float | None
    """Probability that both show the same class; null where it is not known."""
    thumbnail: str


class Similar(Answer):
    """The most similar photos of the index, best first."""

    matches: list[Match]


class HeatMap(Answer):
    """Where in the photo the evidence for a label lies: `grid` row by row, 0 to 1."""

    label: str
    grid: list[list[float]]
    window: list[float] = Field(min_length=4, max_length=4)
    """Left, top, right and bottom of the grid, as fractions of the upright photo."""
    supported: bool
    """Whether most of the evidence could be traced to places; do not show the map where it could not."""


class Head(Answer):
    """One of several heads on the network."""

    name: str
    classes: list[str]
    tested: dict[str, Any]


class Index(Answer):
    """The photos that similar ones are searched in."""

    photos: int


class Limits(Answer):
    """What a request may hold."""

    body_bytes: int
    files: int
    pixels: int
    photo_seconds: float


class Model(Answer):
    """What the model is, and how good it was tested to be."""

    name: str
    classes: list[str]
    factors: dict[str, list[str]]
    several: bool
    heads: list[Head]
    tested: dict[str, Any]
    contract: str
    network: str
    decisions: dict[str, Any]
    index: Index | None
    limits: Limits
    version: str


class Health(Answer):
    """Whether the server lives, or is ready."""

    status: Literal["ok", "ready"]


class Server(Answer):
    """The server, in the Open Inference Protocol."""

    name: str
    version: str
    extensions: list[str]


class Live(Answer):
    """Whether the server lives, in the Open Inference Protocol."""

    live: Literal[True]


class Ready(Answer):
    """Whether the models are ready, in the Open Inference Protocol."""

    ready: Literal[True]


class ModelReady(Answer):
    """Whether a model is ready, in the Open Inference Protocol."""

    name: str
    ready: Literal[True]


class TensorFacts(Answer):
    """What a tensor is; -1 stands for any size."""

    name: str
    datatype: str
    shape: list[int]


class Tensors(Answer):
    """What a model takes and gives, in the Open Inference Protocol; `parameters` name the classes."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorFacts]
    outputs: list[TensorFacts]
    parameters: dict[str, list[str]]


class Output(TensorFacts):
    """A tensor of an answer, its values one after the other."""

    data: list[str | float]


class Inferred(Answer):
    """An answer in the Open Inference Protocol."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[Output]
