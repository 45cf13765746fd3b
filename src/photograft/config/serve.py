"""Limits of `photograft serve`: what one request, one client and all of them together may take of the machine."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, ValidationError

from photograft.config.document import DocumentProblem, read_value
from photograft.config.section import Section
from photograft.errors import ConfigError


class ServeConfig(Section):
    """How much the server takes on at once, and when it gives up."""

    body_mb: float = Field(default=20.0, gt=0, le=1000)
    """Largest body of a request, in megabytes; larger ones get 413."""

    files: int = Field(default=32, ge=1, le=1000)
    """Most photos of one request, as far as `queue` allows; more get 413."""

    pixels: int = Field(default=50_000_000, ge=10_000, le=500_000_000)
    """Most pixels of a photo; it is rejected before it is decoded. The model's own limit holds where it is lower."""

    photo_seconds: float = Field(default=5.0, ge=0.5, le=600)
    """CPU seconds that decoding one photo may take before it is rejected."""

    queue: int = Field(default=64, ge=1, le=10_000)
    """Photos that are decoded, wait or are predicted at one time; beyond, requests get 503 with Retry-After."""

    batch: int = Field(default=8, ge=1, le=256)
    """Most photos that go through the network together."""

    decoders: Annotated[int, Field(ge=1, le=64)] | None = None
    """Processes that decode photos; null takes one per core, eight at most."""

    connections: int = Field(default=128, ge=1, le=10_000)
    """Connections that are open at one time; further ones are told 503 and closed."""

    uploads_mb: float = Field(default=256.0, gt=0, le=100_000)
    """Megabytes of all bodies that are held at one time; beyond, requests get 503."""

    read_seconds: float = Field(default=10.0, ge=0.1, le=600)
    """Seconds in which the head of a request must arrive, and in which its body must begin to."""

    slowest_kb: float = Field(default=10.0, gt=0)
    """Kilobytes per second that a body must arrive with, beside `read_seconds`; slower clients get 408."""

    drain_seconds: float = Field(default=20.0, ge=0, le=600)
    """How long requests that were begun may take to end after SIGTERM or Ctrl-C."""


def serve_config(assignments: Sequence[str] = ()) -> ServeConfig:
    """The limits with texts such as `queue=128`; raises ConfigError where one cannot be."""
    given = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        name = name.strip().removeprefix("serve.")
        if not equals:
            raise ConfigError(f"--set {text}: write it as name=value, for example --set queue=128.")
        if name not in ServeConfig.model_fields:
            known = list(ServeConfig.model_fields)
            close = difflib.get_close_matches(name, known, n=1)
            raise ConfigError(f"--set {name}: there is no such limit; use {' or '.join(close) or ', '.join(known)}.")
        try:
            given[name] = read_value(value)
        except DocumentProblem as problem:
            raise ConfigError(f"--set {name}: {value} cannot be read: {problem}.") from problem
    try:
        return ServeConfig(**given)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"--set {first['loc'][0]}={first['input']}: {first['msg']}.") from error
