"""Settings of the report."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from photograft.config.section import Section


class ReportConfig(Section):
    """What the report shows, and in which language."""

    language: Literal["auto", "en", "ko"] = "auto"
    """Language of the report and of every other page: English or Korean. `auto` is that of this computer (LC_ALL,
    LC_MESSAGES, LANG; on Windows that of the system), Korean where that is Korean, else English. What commands print,
    and what they write for programs, is English."""

    thumbnails: bool = True
    """Show the worst mistakes as small pictures. Turn off when photos must not leave this machine."""

    heat_maps: bool = True
    """Show under each of the worst mistakes where the evidence for the wrong answer is, and which training photos are
    most like it. Takes a few seconds; photos must be shown (report.thumbnails)."""

    worst: int = Field(default=24, ge=0, le=200)
    """How many of the worst mistakes the report shows."""

    positive: str | None = None
    """With two classes: the one that AUROC and average precision are about. By default the smaller one."""

    slices: tuple[str, ...] = ()
    """Columns of the labels file (camera, place, ...) by whose values the report splits the score."""

    robustness_s: Annotated[float, Field(ge=0, le=86400)] | Literal["auto"] = "auto"
    """Seconds in which the finished model is tried on worse photos: noise, blur, poor light and so on, on as many of
    the judged photos as that time allows; 0 leaves it out. `auto` is 0 at quality fast, 15 at good and 60 at best."""
