"""What tells strangers, as one small file of a bundle. Shape letters: D numbers of an embedding, R directions, K kinds.

`photograft.inference.decisions` says what is computed from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from photograft.errors import IntegrityError
from photograft.values import FloatArray

FILE = "decisions/unfamiliar.safetensors"
_NAMES = ("centre", "scale", "basis", "whiten", "mean", "weights")


@dataclass(frozen=True)
class Familiar:
    """Where the training photos lie among all that the network could say.

    `centre_D` and `scale_D` standardise an embedding, `basis_RD` are the directions in which the training photos
    differ most. Within these, `whiten_RR` makes photos of one kind vary equally in all directions, around `mean_KR`.
    `weights_2` say how much counts what lies outside of the basis, and the distance to the nearest kind.
    """

    centre_D: FloatArray
    scale_D: FloatArray
    basis_RD: npt.NDArray[np.float16]
    whiten_RR: FloatArray
    mean_KR: FloatArray
    weights_2: FloatArray

    @cached_property
    def directions_RD(self) -> FloatArray:
        """The basis as it is computed with: kept, since to change its type takes longer than to judge a photo."""
        return self.basis_RD.astype(np.float32)


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
        centre_D, scale_D, basis_RD, whiten_RR, mean_KR, weights_2 = (tensors[name] for name in _NAMES)
    except KeyError as error:
        raise _none_in(file, error) from error
    familiar = Familiar(centre_D, scale_D, basis_RD, whiten_RR, mean_KR, weights_2)
    r, k = len(basis_RD), len(mean_KR)
    shapes = ((embedding,), (embedding,), (r, embedding), (r, r), (k, r), (2,))
    if tuple(array.shape for array in _arrays(familiar)) != shapes or not k or not (scale_D > 0).all():
        raise IntegrityError(f"{file} does not fit the network of bundle.json: it is not of this bundle.")
    return familiar


def _none_in(file: Path, error: Exception) -> IntegrityError:
    return IntegrityError(f"{file} does not hold what tells unfamiliar photos: {error}")


def _arrays(familiar: Familiar) -> tuple[npt.NDArray[Any], ...]:
    """In the order of their names."""
    ends = (familiar.whiten_RR, familiar.mean_KR, familiar.weights_2)
    return (familiar.centre_D, familiar.scale_D, familiar.basis_RD, *ends)
