"""Settings of pretraining: an autoencoder on photos without labels."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from photograft.config.section import Section


class PretrainConfig(Section):
    """How `photograft pretrain` trains an autoencoder, whose encoder `model.backbone: run:PATH` then takes."""

    epochs: int = Field(default=20, ge=1, le=10_000)
    """Times every photo is seen."""

    batch_size: int = Field(default=16, ge=1, le=1024)
    """Photos per step."""

    lr: float = Field(default=1e-3, gt=0, le=1)
    """Learning rate at its highest (AdamW, one cycle)."""

    noise: float = Field(default=0.0, ge=0, le=1)
    """Standard deviation of noise on the photos that are to be reconstructed, where 1 is the whole range of colours;
    0 adds none."""

    holdout: float = Field(default=0.1, gt=0, lt=0.9)
    """Share of the photos that do not train, and show how well unseen ones are reconstructed."""

    sheet: int = Field(default=8, ge=1, le=64)
    """Photos on the sheet of reconstructions, half of them held out."""

    time_limit: Annotated[float, Field(gt=0)] | None = None
    """Minutes that pretraining may take: fewer epochs are planned where it would take longer."""
