"""How embeddings are compared: every number centred and scaled by the photos of the index, along their main directions.

Raw embeddings of a network are all alike (cosine 0.84 to 0.96 for any two photos), since a few loud numbers decide; the
same numbers standardised rank better and say more (decision 26). The main directions are an eighth of the numbers, and
rank as well. They are found on the photos of an index and are then a part of it, so that every copy of it answers
alike, until so many photos have changed that they are found anew. The rows along them follow from vectors and
directions, and are made again where they are lost.

Shape letters: N photos, S photos of a sample, D numbers per photo, E directions that are kept, B photos of a block.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from photograft.data.hashing import hash_file
from photograft.errors import IntegrityError
from photograft.retrieval.chain import ByNumber
from photograft.retrieval.exact import Vectors, unit_length
from photograft.retrieval.vectors import BLOCK, SINGLE, open_vectors, rows_in_blocks, write_vectors
from photograft.tracking.atomic import write_atomically
from photograft.values import DoubleArray, FloatArray, IntArray

_REVISION = "3"
_SAMPLE = 2048
_DIRECTIONS = 256
_FEWEST = 32
"""Photos from which on their own spread says more than it misleads."""
_MOST_CHANGED = 0.1
"""Photos that may come or go, as a share of those that the directions were found on, before they are found anew."""


@dataclass(frozen=True)
class Directions:
    """What embeddings are compared along: centre, scale, and main directions (None: all numbers as they are).

    `sha256` is that of their file.
    """

    mean_D: FloatArray
    scale_D: FloatArray
    basis_DE: FloatArray | None = None
    sha256: str = ""

    @property
    def size(self) -> int:
        """Numbers of a row that is compared, E."""
        return len(self.mean_D) if self.basis_DE is None else self.basis_DE.shape[1]

    def along(self, embedding_ND: Vectors) -> FloatArray:
        """Rows of length 1 along the directions (N, E); the embeddings need not have length 1."""
        rows_ND = (unit_length(np.asarray(embedding_ND, np.float32)) - self.mean_D) * self.scale_D
        if self._basis_DE is None:
            return unit_length(rows_ND)
        return unit_length((rows_ND.astype(np.float64) @ self._basis_DE).astype(np.float32))

    @cached_property
    def _basis_DE(self) -> DoubleArray | None:
        # Float32 sums of a product depend in the last digits on where in a block a row stands; these, rounded, do not:
        # so a photo is compared alike in one index and in one of several shards, and equal photos are equal.
        return None if self.basis_DE is None else self.basis_DE.astype(np.float64)


@dataclass(frozen=True)
class Compared:
    """The photos of an index as they are compared, (N, E) rows of length 1; `key` names them exactly."""

    directions: Directions
    rows_NE: Vectors
    key: str


def find_directions(sample_SD: FloatArray) -> Directions:
    """Centre, scale and main directions of embeddings of length 1.

    Fewer than 32 photos are taken as they are. The directions are found as by Halko, Martinsson & Tropp (SIAM Review,
    2011), algorithm 4.4.
    """
    n, size = sample_SD.shape
    if n < _FEWEST:
        return Directions(np.zeros(size, np.float32), np.ones(size, np.float32))
    mean_D = sample_SD.mean(axis=0, dtype=np.float64).astype(np.float32)
    spread_D = sample_SD.std(axis=0, dtype=np.float64).astype(np.float32)
    # Numbers that hardly differ, such as those of dead channels, say nothing, however much they are scaled up.
    scale_D = np.where(spread_D > 1e-6, 1 / np.maximum(spread_D, 1e-6), 0).astype(np.float32)
    if min(n, size) <= _DIRECTIONS:
        return Directions(mean_D, scale_D)
    whole_SD = (sample_SD - mean_D) * scale_D
    guess_DE = np.random.default_rng(0).standard_normal((size, _DIRECTIONS + 16)).astype(np.float32)
    for _ in range(3):
        guess_DE = np.linalg.qr(whole_SD.T @ (whole_SD @ guess_DE))[0]
    _, _, turn_EE = np.linalg.svd(whole_SD @ guess_DE, full_matrices=False)
    return Directions(mean_D, scale_D, np.ascontiguousarray(guess_DE @ turn_EE.T[:, :_DIRECTIONS], np.float32))


def directions_of(vectors_ND: ByNumber) -> tuple[Directions, bytes]:
    """Directions as they are found on the vectors of an index, 2,048 of them at most; and their file."""
    n = len(vectors_ND)
    sample = np.unique(np.linspace(0, max(n - 1, 0), min(n, _SAMPLE)).round().astype(np.int64))
    found = find_directions(np.asarray(vectors_ND[sample], np.float32))
    basis: dict[str, np.ndarray] = {} if found.basis_DE is None else {"basis": found.basis_DE}
    content = save_tensors({"mean": found.mean_D, "scale": found.scale_D, **basis})
    return read_directions(content), content


def read_directions(content: bytes) -> Directions:
    """The directions that a file holds.

    Raises:
        IntegrityError: It holds none.
    """
    try:
        tensors = load_tensors(content)
        sha256 = hashlib.sha256(content).hexdigest()
        return Directions(tensors["mean"], tensors["scale"], tensors.get("basis"), sha256)
    except (SafetensorError, ValueError, KeyError) as error:
        raise IntegrityError(f"The directions of the index are damaged ({error})") from error


def still_hold(n: int, changed: int) -> bool:
    """Whether directions that were found on `n` photos stay after `changed` photos came or went."""
    return changed == 0 or (n >= _FEWEST and changed <= _MOST_CHANGED * n)


def open_compared(
    folder: Path, directions: Directions, read: Callable[[], Vectors], *, n: int, vectors_sha256: str
) -> Compared:
    """The N photos as they are compared, from the files in `folder`; these are made again where missing or damaged.

    `read` gives the vectors, where they are needed for that.
    """
    key = _key(vectors_sha256, directions.sha256)
    rows_NE = _read(folder, key, n=n, size=directions.size)
    if rows_NE is None:
        vectors_ND = read()
        rows_NE = _write(folder, key, lambda: _along(directions, vectors_ND), n=n, size=directions.size)
    return Compared(directions, rows_NE, key)


def follow(before: Compared, kept: IntArray, vectors_ND: Vectors, folder: Path, *, vectors_sha256: str) -> Compared:
    """The photos of an index that was changed, along the same directions.

    The first vectors are those of the rows `kept` of what was there before, which are taken over: so an approximate
    index needs to learn of the new ones only. Made again they would be the same.
    """
    directions = before.directions

    def blocks() -> Iterator[Vectors]:
        yield from rows_in_blocks(before.rows_NE, kept)
        yield from _along(directions, vectors_ND[len(kept) :])

    key = _key(vectors_sha256, directions.sha256)
    return Compared(directions, _write(folder, key, blocks, n=len(vectors_ND), size=directions.size), key)


def derived_names(vectors_sha256: str, directions_sha256: str) -> set[str]:
    """Names of the files that `open_compared` keeps for these vectors along these directions."""
    return {file.name for file in _files(Path(), _key(vectors_sha256, directions_sha256))}


def _along(directions: Directions, vectors_ND: Vectors) -> Iterator[Vectors]:
    for start in range(0, len(vectors_ND), BLOCK):
        yield directions.along(vectors_ND[start : start + BLOCK])


def _write(folder: Path, key: str, blocks: Callable[[], Iterator[Vectors]], *, n: int, size: int) -> Vectors:
    rows, seal = _files(folder, key)
    with suppress(OSError):  # an index on a disk that cannot be written is compared in memory
        folder.mkdir(exist_ok=True)
        sha256 = write_vectors(rows, blocks(), n=n, size=size, kind=SINGLE)
        write_atomically(seal, json.dumps({"key": key, "sha256": sha256}) + "\n")
        return open_vectors(rows, n=n, size=size, kind=SINGLE)
    return np.concatenate([np.zeros((0, size), np.float32), *blocks()])


def _read(folder: Path, key: str, *, n: int, size: int) -> Vectors | None:
    rows, seal = _files(folder, key)
    try:
        if json.loads(seal.read_bytes()) != {"key": key, "sha256": hash_file(rows)}:
            return None
        return open_vectors(rows, n=n, size=size, kind=SINGLE)
    except (OSError, IntegrityError, ValueError):
        return None


def _files(folder: Path, key: str) -> tuple[Path, Path]:
    return folder / f"compared-{key}.npy", folder / f"compared-{key}.json"


def _key(vectors_sha256: str, directions_sha256: str) -> str:
    return f"{vectors_sha256[:16]}-{directions_sha256[:16]}-{_REVISION}"
