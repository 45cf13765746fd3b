"""What tells strangers, as one small file of a bundle. Shape letters: D numbers of an embedding, R directions, K kinds.

`photograft.inference.decisions` says what is computed from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from photograft.errors import IntegrityError
from photograft.values import FloatArray

FILE = "decisions/unfamiliar.safetensors"
_NAMES = ("centre", "scale", "basis", "whiten", "mean", "weights")

Basis = npt.NDArray[np.float16] | npt.NDArray[np.uint8]
"""Directions: float16 (R, D), or uint8 as `pack_levels` gives."""


@dataclass(frozen=True)
class Familiar:
    """Where the training photos lie among all that the network could say.

    `centre_D` and `scale_D` standardise an embedding, `basis` holds the directions in which the training photos differ
    most. Within these, `whiten_RR` makes photos of one kind vary equally in all directions, around `mean_KR`.
    `weights_2` say how much counts what lies outside of the basis, and the distance to the nearest kind.
    """

    centre_D: FloatArray
    scale_D: FloatArray
    basis: Basis
    whiten_RR: FloatArray
    mean_KR: FloatArray
    weights_2: FloatArray

    @property
    def method(self) -> Literal["distance-energy", "distance-energy-4bit"]:
        """What bundle.json calls it: a release that knows only directions of 16 bits refuses those of 4 by name."""
        return "distance-energy-4bit" if self.basis.dtype == np.uint8 else "distance-energy"

    @cached_property
    def directions_RD(self) -> FloatArray:
        """The basis as it is computed with: kept, since to change its type takes longer than to judge a photo."""
        return directions_of(self.basis, len(self.centre_D))

    @property
    def levels(self) -> tuple[npt.NDArray[np.float16] | npt.NDArray[np.int8], FloatArray]:
        """As `levels_of`."""
        return levels_of(self.basis, len(self.centre_D))


def directions_of(basis: Basis, d: int) -> FloatArray:
    """The directions (R, D) that a basis of numbers of either size holds."""
    level_RD, length_R = levels_of(basis, d)
    return level_RD.astype(np.float32) / length_R[:, None]


def levels_of(basis: Basis, d: int) -> tuple[npt.NDArray[np.float16] | npt.NDArray[np.int8], FloatArray]:
    """Numbers (R, D) as they are kept, and what each row is divided by: of 4 bits its length, of 16 bits 1."""
    if basis.dtype != np.uint8:
        return basis.astype(np.float16, copy=False), np.ones(len(basis), np.float32)
    level_RD = unpack_levels(basis.astype(np.uint8, copy=False), d)
    return level_RD, np.linalg.norm(level_RD.astype(np.float32), axis=1)


def pack_levels(level_RD: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
    """Numbers from -7 to 7, two in a byte (R, (D + 1) // 2): the first in the lower 4 bits, and each 8 more than it is.

    A direction has the length 1, so that these numbers need no scale.
    """
    even_RD = np.pad(level_RD, ((0, 0), (0, level_RD.shape[1] % 2))) + 8
    return (even_RD[:, ::2] | even_RD[:, 1::2] << 4).astype(np.uint8)


def unpack_levels(packed: npt.NDArray[np.uint8], d: int) -> npt.NDArray[np.int8]:
    """The numbers (R, D) that `pack_levels` packed."""
    both = np.stack([packed & 15, packed >> 4], axis=2).astype(np.int8) - 8
    return both.reshape(len(packed), -1)[:, :d].astype(np.int8)


def familiar_file(familiar: Familiar) -> bytes:
    """The content of the file."""
    return save_tensors(familiar_tensors(familiar))


def familiar_tensors(familiar: Familiar) -> dict[str, npt.NDArray[Any]]:
    """What is in the file, by name."""
    arrays = _arrays(familiar)
    return {name: np.ascontiguousarray(array) for name, array in zip(_NAMES, arrays, strict=True)}


def read_familiar(file: Path, *, embedding: int) -> Familiar:
    """Read it, for a network whose embedding has so many numbers.

    Raises:
        IntegrityError: It is none, or does not fit the network.
    """
    try:
        tensors = load_tensors(file.read_bytes())
    except SafetensorError as error:
        raise _none_in(file, error) from error
    return as_familiar(tensors, file, embedding=embedding)


def as_familiar(tensors: Mapping[str, npt.NDArray[Any]], file: Path, *, embedding: int) -> Familiar:
    """What tells strangers, from tensors that stand in `file`; raises as `read_familiar` does."""
    try:
        centre_D, scale_D, basis, whiten_RR, mean_KR, weights_2 = (tensors[name] for name in _NAMES)
    except KeyError as error:
        raise _none_in(file, error) from error
    familiar = Familiar(centre_D, scale_D, basis, whiten_RR, mean_KR, weights_2)
    r, k = len(basis), len(mean_KR)
    width = -(-embedding // 2) if basis.dtype == np.uint8 else embedding
    shapes = ((embedding,), (embedding,), (r, width), (r, r), (k, r), (2,))
    fits = tuple(array.shape for array in _arrays(familiar)) == shapes and k and (scale_D > 0).all()
    if not fits or not (familiar.levels[1] > 0).all():
        raise IntegrityError(f"{file} does not fit the network of bundle.json: it is not of this bundle.")
    return familiar


def _none_in(file: Path, error: Exception) -> IntegrityError:
    return IntegrityError(f"{file} does not hold what tells unfamiliar photos: {error}")


def _arrays(familiar: Familiar) -> tuple[npt.NDArray[Any], ...]:
    """In the order of their names."""
    ends = (familiar.whiten_RR, familiar.mean_KR, familiar.weights_2)
    return (familiar.centre_D, familiar.scale_D, familiar.basis, *ends)
