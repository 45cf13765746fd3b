"""How embeddings are compared: every number centred and scaled by the photos of the index, along their main directions.

Raw embeddings of a network are all alike (cosine 0.84 to 0.96 for any two photos), since a few loud numbers decide; the
same numbers standardised rank better and say more (decision 26). The main directions are an eighth of the numbers, and
rank as well. Both follow from the vectors alone and are made again where they are lost.

Shape letters: N photos, S photos of a sample, D numbers per photo, E directions that are kept, B photos of a block.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as save_tensors

from photograft.data.hashing import hash_file
from photograft.errors import IntegrityError
from photograft.retrieval.exact import Vectors, unit_length
from photograft.retrieval.vectors import BLOCK, SINGLE, open_vectors, rows_in_blocks, write_vectors
from photograft.tracking.atomic import write_atomically
from photograft.values import FloatArray, IntArray

_REVISION = "1"
_SAMPLE = 2048
_DIRECTIONS = 256
_FEWEST = 32
"""Photos from which on their own spread says more than it misleads."""
_LEAST_CHANGE, _MOST_CHANGE = 0.7, 1.5
"""To which share of their number photos may shrink or grow before directions are found anew."""


@dataclass(frozen=True)
class Directions:
    """What embeddings are compared along: centre, scale, and main directions (None: all numbers as they are).

    They were found on an index of `n` photos.
    """

    mean_D: FloatArray
    scale_D: FloatArray
    basis_DE: FloatArray | None = None
    n: int = 0

    @property
    def size(self) -> int:
        """Numbers of a row that is compared, E."""
        return len(self.mean_D) if self.basis_DE is None else self.basis_DE.shape[1]

    def along(self, embedding_ND: Vectors) -> FloatArray:
        """Rows of length 1 along the directions (N, E); the embeddings need not have length 1."""
        rows_ND = (unit_length(np.asarray(embedding_ND, np.float32)) - self.mean_D) * self.scale_D
        return unit_length(np.asarray(rows_ND if self.basis_DE is None else rows_ND @ self.basis_DE, np.float32))


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


def open_compared(folder: Path, read: Callable[[], Vectors], *, n: int, vectors_sha256: str) -> Compared:
    """The N photos as they are compared, from the files in `folder`; these are made again where missing or damaged.

    `read` gives the vectors, where they are needed for that.
    """
    key = f"{vectors_sha256[:16]}-{_REVISION}"
    kept = _read(folder, key, n)
    if kept is not None:
        return kept
    vectors_ND = read()
    sample = np.unique(np.linspace(0, max(n - 1, 0), min(n, _SAMPLE)).round().astype(np.int64))
    directions = replace(find_directions(np.asarray(vectors_ND[sample], np.float32)), n=n)
    return _write(folder, key, n, directions, lambda: _along(directions, vectors_ND))


def follow(before: Compared, kept: IntArray, vectors_ND: Vectors, folder: Path, *, vectors_sha256: str) -> Compared:
    """The photos of an index that was changed, as they are compared.

    The first vectors are those of the rows `kept` of what was there before, which are taken over: so an approximate
    index needs to learn of the new ones only. Where the number of photos has changed much, all is found anew.
    """
    n, directions = len(vectors_ND), before.directions
    if not _LEAST_CHANGE * directions.n <= n <= _MOST_CHANGE * directions.n or directions.n < _FEWEST:
        return open_compared(folder, lambda: vectors_ND, n=n, vectors_sha256=vectors_sha256)

    def blocks() -> Iterator[Vectors]:
        yield from rows_in_blocks(before.rows_NE, kept)
        yield from _along(directions, vectors_ND[len(kept) :])

    return _write(folder, f"{vectors_sha256[:16]}-{_REVISION}", n, directions, blocks)


def _along(directions: Directions, vectors_ND: Vectors) -> Iterator[Vectors]:
    for start in range(0, len(vectors_ND), BLOCK):
        yield directions.along(vectors_ND[start : start + BLOCK])


def _write(folder: Path, key: str, n: int, directions: Directions, blocks: Callable[[], Iterator[Vectors]]) -> Compared:
    (rows, made_of), size = _files(folder, key), directions.size
    with suppress(OSError):  # an index on a disk that cannot be written is compared in memory
        folder.mkdir(exist_ok=True)
        sha256 = write_vectors(rows, blocks(), n=n, size=size, kind=SINGLE)
        basis: dict[str, np.ndarray] = {} if directions.basis_DE is None else {"basis": directions.basis_DE}
        fitted = np.array(directions.n, np.int64)
        tensors: dict[str, np.ndarray] = {"mean": directions.mean_D, "scale": directions.scale_D, "n": fitted, **basis}
        write_atomically(made_of, save_tensors(tensors, metadata={"made_of": _seal(tensors, key, sha256)}))
        return Compared(directions, open_vectors(rows, n=n, size=size, kind=SINGLE), key)
    rows_NE = np.concatenate([np.zeros((0, size), np.float32), *blocks()])
    return Compared(directions, rows_NE, key)


def derived_names(vectors_sha256: str) -> set[str]:
    """Names of the files that `open_compared` keeps for these vectors."""
    return {file.name for file in _files(Path(), f"{vectors_sha256[:16]}-{_REVISION}")}


def _files(folder: Path, key: str) -> tuple[Path, Path]:
    return folder / f"compared-{key}.npy", folder / f"compared-{key}.safetensors"


def _seal(tensors: Mapping[str, np.ndarray], key: str, rows_sha256: str) -> str:
    """What the files were made of, and SHA-256 of what they hold."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape}".encode())
        digest.update(np.ascontiguousarray(tensors[name]).tobytes())
    return json.dumps([key, rows_sha256, digest.hexdigest()])


def _read(folder: Path, key: str, n: int) -> Compared | None:
    rows, made_of = _files(folder, key)
    try:
        with safe_open(made_of, framework="numpy") as opened:
            said = (opened.metadata() or {}).get("made_of")
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no mapping
        if said != _seal(tensors, key, hash_file(rows)):
            return None
        directions = Directions(tensors["mean"], tensors["scale"], tensors.get("basis"), int(tensors["n"]))
        return Compared(directions, open_vectors(rows, n=n, size=directions.size, kind=SINGLE), key)
    except (OSError, SafetensorError, IntegrityError, ValueError, KeyError):
        return None
