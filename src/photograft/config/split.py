"""Settings of the split into train, validation and test parts, and of the folds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from photograft.config.section import Section


class SplitConfig(Section):
    """How photos are divided into parts and folds."""

    val: float = Field(default=0.15, ge=0, le=0.5)
    """Share of photos in the validation part."""

    test: Annotated[float, Field(ge=0, le=0.5)] | Literal["auto"] = "auto"
    """Share of photos in the test part. `auto`: 0.15 from 1,500 photos on, else 0 and scores come from the folds."""

    open_test: bool = True
    """Predict and score the test part. `tune` keeps it closed until one winner is chosen."""

    folds: int = Field(default=5, ge=2, le=20)
    """Number of cross-validation folds over train and validation photos."""

    repeats: int = Field(default=1, ge=1, le=20)
    """How often the folds are drawn: more than once shows how much the score hangs on the draw."""

    file: Path | None = None
    """A splits.csv with the part (and fold) of every photo, as `photograft split` writes it; edit it and give it
    back."""

    seed: int = Field(default=0, ge=0)
    """Seed of the split: the same seed and photos give the same parts and folds."""

    on_leak: Literal["report", "drop"] = "report"
    """What to do with photos whose duplicates stand in another given part: report them, or leave them out of
    training."""

    duplicate_bits: int = Field(default=12, ge=0, le=32)
    """Largest difference of two 256-bit perceptual hashes that still counts as a possible near-duplicate."""

    duplicate_similarity: float = Field(default=0.93, ge=0, le=1)
    """Cosine similarity of features that confirms a possible near-duplicate."""

    @model_validator(mode="after")
    def _leaves_photos_to_train_on(self) -> Self:
        if isinstance(self.test, float) and self.test + self.val > 0.8:
            raise ValueError("val + test must leave at least a fifth of the photos for training")
        return self
