"""Settings of augmentation: changed copies of the training photos."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from photograft.config.section import Section


class AugmentConfig(Section):
    """How training photos are changed, so that the network does not learn them by heart. Fine-tuning alone uses it."""

    views: int = Field(default=4, ge=0, le=64)
    """Changed copies per photo that take turns from epoch to epoch, where the frozen part's output is kept on disk;
    0 trains on the photos as they are."""

    flip: Literal["none", "horizontal", "vertical", "both"] = "horizontal"
    """Mirror half of the copies."""

    rotation: float = Field(default=0.0, ge=0, le=180)
    """Turn by up to so many degrees."""

    crop: float = Field(default=0.5, gt=0, le=1)
    """Smallest share of the photo's area that a random crop shows; 1 does not crop."""

    brightness: float = Field(default=0.2, ge=0, le=1)
    """Change brightness by up to this factor."""

    contrast: float = Field(default=0.2, ge=0, le=1)
    """Change contrast by up to this factor."""

    saturation: float = Field(default=0.2, ge=0, le=1)
    """Change saturation by up to this factor."""

    hue: float = Field(default=0.02, ge=0, le=0.5)
    """Turn colours by up to this share of the colour circle."""

    randaugment: int = Field(default=0, ge=0, le=30)
    """Strength of two random changes out of fourteen (RandAugment); 0 makes none."""

    erasing: float = Field(default=0.0, ge=0, le=1)
    """Probability that a random rectangle is blanked."""

    mixup: float = Field(default=0.0, ge=0, le=10)
    """Blend photos in pairs, by shares from Beta(a, a); 0 does not. With a kept frozen part its outputs are blended."""

    cutmix: float = Field(default=0.0, ge=0, le=10)
    """Paste a rectangle of another photo, its area from Beta(a, a); 0 does not. With `mixup` they take turns."""
