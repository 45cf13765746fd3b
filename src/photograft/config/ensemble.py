"""Settings of ensembles: several networks, or states of them, that predict together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from photograft.config.model import Graft, Triple
from photograft.config.section import Section


class MemberConfig(Section):
    """A further member, under a name of its own in the place of NAME; what is not given is as for the first."""

    backbone: str | None = None
    """As `model.backbone`."""

    weights: Literal["random"] | Path | None = None
    """As `model.weights`."""

    mean: Triple | None = None
    """As `model.mean`."""

    std: Triple | None = None
    """As `model.std`."""

    graft: Graft | None = None
    """As `model.graft`."""

    embedding: Literal["multi", "last"] | None = None
    """As `model.embedding`."""

    px: Annotated[int, Field(ge=64, le=1024)] | Literal["auto"] | None = None
    """As `input.px`."""

    crop: Literal["none", "center"] | None = None
    """As `input.crop`."""

    flip: bool | None = None
    """As `input.flip`."""

    crops: Literal["whole", "five"] | None = None
    """As `input.crops`."""


class EnsembleConfig(Section):
    """Models that predict together: the one of `model` and `input`, and the members that are named here."""

    members: dict[str, MemberConfig] = Field(default={})
    """Further members by name: `ensemble.members.vit.backbone`."""

    weights: Literal["auto", "equal"] = "auto"
    """How much each member counts. `auto`: by the log loss on photos that the members have not seen; `equal`: all the
    same."""
