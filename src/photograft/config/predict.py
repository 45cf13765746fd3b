"""Settings of how a finished model answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from photograft.config.section import Section


class PredictConfig(Section):
    """When a model says that it is not sure, or that a photo is like none that it learned from."""

    precision: Annotated[float, Field(ge=0.5, le=0.999)] | None = 0.95
    """Share of right labels that is wanted among the photos that are answered. The others get the status `unsure`.
    `null`: no photo is unsure."""

    unfamiliar: Annotated[float, Field(ge=0.001, le=0.2)] | None = 0.05
    """Share of photos of the known kinds that get the status `unfamiliar` by mistake. The more, the more strangers
    are told. `null`: no photo is unfamiliar."""
