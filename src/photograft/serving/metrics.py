"""What the server counts, for Prometheus."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10, 30)


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        named: Any = {"registry": self._registry, "namespace": "photograft"}
        self.requests = Counter("requests", "Requests by route and status.", ["route", "status"], **named)
        self.seconds = Histogram(
            "request_seconds", "Seconds from the request's head to its answer.", ["route"], buckets=_SECONDS, **named
        )
        self.photos = Counter("photos", "Photos by what was said of them.", ["status"], **named)
        self.rejected = Counter("rejected_photos", "Photos that could not be used, by verdict.", ["verdict"], **named)
        self.batch = Histogram("batch_photos", "Photos in one pass.", buckets=(1, 2, 4, 8, 16, 32, 64), **named)
        self._named = named

    def watch(self, name: str, what: str, value: Callable[[], float]) -> None:
        """Show a value as it is when somebody asks for it."""
        Gauge(name, what, **self._named).set_function(value)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self.requests.labels(route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self._registry)


def resident_bytes() -> float:
    """Memory of this process that is in use, without its decoder processes; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 0.0
