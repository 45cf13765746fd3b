"""What fine-tuning reads: photos as the network's trainable part takes them."""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt

from photograft.values import IntArray

Values = tuple[npt.NDArray[Any], ...]
"""One or more arrays whose first axis is the photos of a batch: pixels (B, px, px, 3) uint8, or what a frozen part
gives for them (float16 maps and vectors)."""


class Inputs(Protocol):
    """Photos by row number, in the views that predict and in changed copies that train.

    Reading is free of hidden state: the same arguments give the same bytes, in any order and after any restart.
    """

    n_plain: int
    """Number of views that a prediction averages: 1, or 2 with the mirror image."""

    def plain(self, row_B: IntArray, *, view: int) -> Values:
        """The photos as a prediction sees them, in view 0 to `n_plain` - 1."""

    def changed(self, row_B: IntArray, *, epoch: int) -> Values:
        """One augmented copy of each photo for this epoch (counted from 0)."""
        ...
