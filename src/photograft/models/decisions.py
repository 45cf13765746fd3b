"""What tells strangers, as one small file of a bundle. Shape letters: D numbers of an embedding, R directions, K kinds.

`photograft.inference.decisions` says what is computed from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from photograft.errors import IntegrityError
from photograft.values import FloatArray

METHOD = "virtual-logit"
FILE = "decisions/unfamiliar.safetensors"
_NAMES = ("centre", "scale", "basis", "weight", "bias", "rest_weight")


@dataclass(frozen=True)
class Familiar:
    """Where the training photos lie among all that the network could say.

    `centre_D` and `scale_D` standardise an embedding, `basis_RD` are the directions in which the training photos
    differ most, `weight_RK` and `bias_K` give a logit for each kind of photos, and `rest_weight` says how much the part
    of an embedding counts that lies outside of the basis.
    """

    centre_D: FloatArray
    scale_D: FloatArray
    basis_RD: npt.NDArray[np.float16]
    weight_RK: FloatArray
    bias_K: FloatArray
    rest_weight: float


def familiar_file(familiar: Familiar) -> bytes:
    """The content of the file."""
    centre_D, scale_D, basis_RD = familiar.centre_D, familiar.scale_D, familiar.basis_RD
    rest_weight_1 = np.array([familiar.rest_weight], np.float32)
    arrays = (centre_D, scale_D, basis_RD, familiar.weight_RK, familiar.bias_K, rest_weight_1)
    return save_tensors({name: np.ascontiguousarray(array) for name, array in zip(_NAMES, arrays, strict=True)})


def read_familiar(file: Path, *, embedding: int) -> Familiar:
    """Read it, for a network whose embedding has so many numbers.

    Raises:
        IntegrityError: It is none, or does not fit the network.
    """
    try:
        tensors = load_tensors(file.read_bytes())
        centre_D, scale_D, basis_RD, weight_RK, bias_K, rest_weight_1 = (tensors[name] for name in _NAMES)
        familiar = Familiar(centre_D, scale_D, basis_RD, weight_RK, bias_K, float(rest_weight_1.item()))
    except (SafetensorError, KeyError, ValueError) as error:
        raise IntegrityError(f"{file} does not hold what tells unfamiliar photos: {error}") from error
    r, k = familiar.weight_RK.shape if familiar.weight_RK.ndim == 2 else (-1, -1)
    wanted = ((embedding,), (embedding,), (r, embedding), (k,))
    arrays = (familiar.centre_D, familiar.scale_D, familiar.basis_RD, familiar.bias_K)
    if tuple(array.shape for array in arrays) != wanted or not (familiar.scale_D > 0).all():
        raise IntegrityError(f"{file} does not fit the network of bundle.json: it is not of this bundle.")
    return familiar
