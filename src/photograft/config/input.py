"""Settings of what the network sees of a photo."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from photograft.config.section import Section


class InputConfig(Section):
    """What the network sees of a photo."""

    px: Annotated[int, Field(ge=64, le=1024)] | Literal["auto"] = "auto"
    """Side of the square input in pixels. `auto`: 224 for `fast`, 320 otherwise; the network's own
    where it takes no other."""

    crop: Literal["none", "center"] = "none"
    """`none` stretches the whole photo to the square, so that nothing at its edge is lost; `center` keeps the shape
    and cuts."""

    flip: bool | Literal["auto"] = "auto"
    """Average the photo with its mirror image. `auto`: off for `fast`, on otherwise."""

    crops: Literal["whole", "five"] = "whole"
    """`five` averages five squares of 7/8 of the side, the middle and the corners: the picture is made larger so that
    each of them is `px` wide. Takes five times as long."""
