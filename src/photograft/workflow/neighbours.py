"""The photos of a run that are most like a photo, by what the run's network says of them.

Embeddings come from the cache where they are there, else from the bundle's networks. Every number is centred and scaled
by the run's own photos, so that no loud one decides, and the rows are projected to their main directions: so 50,000
photos take 25 MB in a file of the run that may be deleted at any time.

Shape letters: N photos, D numbers of all networks' embeddings, E directions that are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as save_tensors

from photograft.config import Config, load_config
from photograft.contract import canonical_json
from photograft.data.hashing import hash_file
from photograft.data.pool import DecodePool
from photograft.errors import ImageRejected, ModelError
from photograft.features.engine_onnx import OnnxEngine
from photograft.features.extract import FeatureStore, extract
from photograft.models.bundle import Bundle, read_bundle
from photograft.models.bundle_rows import NetworkRow
from photograft.reporting.records import read_manifest, read_parts
from photograft.tracking.atomic import write_atomically
from photograft.tracking.cache import Cache, cache_folder
from photograft.tracking.run_folder import NEIGHBOURS, open_run, photos_root
from photograft.values import FloatArray, IntArray, Photo, PixelArray
from photograft.workflow.narrator import Narrator, Silent
from photograft.workflow.thumbnails import read_unchanged

_REVISION = "1"
_DIRECTIONS = 256
_SAMPLE = 2048
_BLOCK = 4096
_KNOWN_PARTS = ("train", "val")
_Tensors = dict[str, np.ndarray]


@dataclass(frozen=True)
class Neighbour:
    """A photo of the run that is like another one: its `name` in the manifest, its label or labels, its part.

    `similarity` is the cosine of the embeddings: 1 for the same picture, about 0 for any two.
    """

    name: str
    label: str
    part: str
    similarity: float


@dataclass(frozen=True)
class Known:
    """A photo that is one of the run's own: its `name` in the manifest, its label or labels, its part."""

    name: str
    label: str
    part: str


class Neighbours:
    """The photos of a run, ready to be compared with others. Made by `open_neighbours`."""

    def __init__(self, photos: Sequence[Photo], parts: Sequence[str], tensors: Mapping[str, np.ndarray]) -> None:
        self._photos, self._parts = photos, parts
        self._tensors = tensors
        self._rows = {photo.name: row for row, photo in enumerate(photos)}
        self._known_N = np.isin(np.array(parts, dtype=str), _KNOWN_PARTS)

    def __len__(self) -> int:
        return len(self._photos)

    def __contains__(self, name: str) -> bool:
        return name in self._rows

    def of(self, embedding_D: FloatArray, *, top: int = 6, without: Collection[str] = ()) -> list[Neighbour]:
        """The photos of train and val that are nearest to an embedding (D,), as `join_embeddings` gives it."""
        return self._nearest(_project(embedding_D[None], self._tensors)[0], top, without)

    def of_photo(self, name: str, *, top: int = 6) -> list[Neighbour]:
        """The photos of train and val that are nearest to a photo of the run, itself left out; none if it is gone."""
        row = self._rows.get(name)
        return [] if row is None else self._nearest(self._tensors["rows"][row].astype(np.float32), top, (name,))

    def known(self, sha256: str) -> Known | None:
        """The photo of the run that has these very bytes (the SHA-256 of its file)."""
        row = next((row for row, photo in enumerate(self._photos) if photo.sha256 == sha256), None)
        if row is None:
            return None
        return Known(self._photos[row].name, ", ".join(self._photos[row].all_labels), self._parts[row])

    def photos(self, names: Collection[str]) -> dict[str, Photo]:
        """Rows of the manifest by their names, of those that are photos of the run."""
        return {name: self._photos[self._rows[name]] for name in names if name in self._rows}

    def _nearest(self, direction_E: FloatArray, top: int, without: Collection[str]) -> list[Neighbour]:
        rows_NE = self._tensors["rows"]
        blocks = (rows_NE[i : i + _BLOCK].astype(np.float32) @ direction_E for i in range(0, len(rows_NE), _BLOCK))
        cosine_N = np.concatenate([*blocks, np.empty(0, np.float32)])
        cosine_N[~self._known_N] = -np.inf
        cosine_N[[self._rows[name] for name in without if name in self._rows]] = -np.inf
        return [
            Neighbour(photo.name, ", ".join(photo.all_labels), self._parts[row], float(np.clip(cosine_N[row], -1, 1)))
            for row in np.argsort(-cosine_N, kind="stable")[:top]
            if np.isfinite(cosine_N[row]) and (photo := self._photos[row])
        ]


def neighbours_at_hand(run: Path, *, most: int = 5000) -> Neighbours | None:
    """As `open_neighbours` where that is quick: from the kept file, or from the cache for up to `most` photos."""
    return _open(run, Silent(), most_cached=most)


def open_neighbours(run: Path, narrator: Narrator | None = None) -> Neighbours:
    """The photos of a finished run by their embeddings, which are computed once and kept in the run.

    A file that is damaged, or belongs to another model or other photos, is made anew. Photos that are neither in the
    cache nor on the disk any more, or were changed, are left out. A closed test part (`split.open_test`) stays closed.

    Raises:
        ModelError: The folder is no finished run, or its tables are damaged.
    """
    neighbours = _open(run, narrator or Silent())
    assert neighbours is not None
    return neighbours


def _open(run: Path, narrator: Narrator, *, most_cached: int | None = None) -> Neighbours | None:
    """With `most_cached` None is given rather than a network run, or that many photos read from the cache."""
    folder = open_run(run)
    bundle = read_bundle(run)
    config = load_config(run / "config.resolved.yaml")
    root = photos_root(folder)
    try:
        parts = read_parts((run / "splits.csv").read_bytes())
        every = read_manifest((run / "manifest.csv").read_bytes(), root).usable.photos
    except (OSError, KeyError, ValueError) as error:
        raise ModelError(f"{run}: manifest.csv or splits.csv is damaged ({error!r}): train again.") from error
    wanted = {*_KNOWN_PARTS, *(("test",) if config.split.open_test else ())}
    photos = [photo for photo in every if parts.get(photo.name) in wanted]
    made_of = _made_of(run, bundle)
    tensors = _read(run / NEIGHBOURS, made_of, n_photos=len(photos))
    if tensors is None:
        if most_cached is not None and (len(photos) > most_cached or not _all_cached(photos, bundle, config)):
            return None
        tensors = _compute(photos, root, bundle, config, narrator)
        if len(tensors["photos"]) == len(photos) or root.exists():  # else a drive may only be missing for now
            _write(run / NEIGHBOURS, tensors, made_of)
    chosen = [photos[i] for i in tensors["photos"]]
    return Neighbours(chosen, [parts[photo.name] for photo in chosen], tensors)


def join_embeddings(bundle: Bundle, embeddings: Mapping[str, FloatArray]) -> FloatArray:
    """Embeddings (N, D) of all networks of a bundle side by side, from those that `Classifier.embed` gives."""
    return np.concatenate([embeddings[row.id] for row in bundle.info.networks], axis=1)


def _made_of(run: Path, bundle: Bundle) -> dict[str, str]:
    files = {"model": bundle.folder / "checksums.json", "manifest": run / "manifest.csv", "splits": run / "splits.csv"}
    return {"revision": _REVISION, **{name: hash_file(path) for name, path in files.items()}}


def _read(file: Path, made_of: Mapping[str, str], *, n_photos: int) -> _Tensors | None:
    """What was kept; None where it is not there, damaged, or of another model or other photos."""
    try:
        with safe_open(file, framework="numpy") as opened:
            said = (opened.metadata() or {}).get("made_of")
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no mapping
    except (OSError, SafetensorError):
        return None
    intact = said == _seal(tensors, made_of) and not (tensors["photos"] >= n_photos).any()
    return tensors if intact else None


def _write(file: Path, tensors: _Tensors, made_of: Mapping[str, str]) -> None:
    with suppress(OSError):  # on a disk that cannot be written it is computed again the next time
        write_atomically(file, save_tensors(tensors, metadata={"made_of": _seal(tensors, made_of)}))


def _seal(tensors: _Tensors, made_of: Mapping[str, str]) -> str:
    """What the file was made of, and the SHA-256 of what it holds."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape}".encode())
        digest.update(np.ascontiguousarray(tensors[name]).tobytes())
    return canonical_json({**made_of, "sha256": digest.hexdigest()}).decode()


def _compute(photos: Sequence[Photo], root: Path, bundle: Bundle, config: Config, narrator: Narrator) -> _Tensors:
    """Tensors of those photos that can be embedded: their row numbers in `photos`, and what `_project` needs."""
    cache_dir, limit = cache_folder(config.cache.dir), int(config.cache.max_gb * 1e9)
    with Cache(cache_dir, max_bytes=limit) as cache:
        stores = []
        for row in bundle.info.networks:
            stores.append(_store(cache, bundle, row))
            _embed_missing(photos, root, stores[-1], bundle.networks[row.id], config, narrator)
        known = set.intersection(*(store.known() for store in stores))
        found = np.array([i for i, photo in enumerate(photos) if photo.content in known], dtype=np.int64)
        contents = [photos[i].content for i in found]
        if not contents:
            return {"photos": found, "rows": np.empty((0, 1), np.float16), **_directions(np.zeros((1, 1), np.float32))}
        tables = [store.table(contents).embedding_ND for store in stores]

        def rows(some: IntArray) -> FloatArray:
            return np.concatenate([np.asarray(table_ND[some], np.float32) for table_ND in tables], axis=1)

        sample = np.unique(np.linspace(0, len(found) - 1, min(len(found), _SAMPLE)).round().astype(np.int64))
        tensors = _directions(rows(sample))
        blocks = (np.arange(i, min(i + _BLOCK, len(found))) for i in range(0, len(found), _BLOCK))
        projected = [_project(rows(block), tensors).astype(np.float16) for block in blocks]
    return {"photos": found, "rows": np.concatenate(projected), **tensors}


def _all_cached(photos: Sequence[Photo], bundle: Bundle, config: Config) -> bool:
    contents = {photo.content for photo in photos}
    with Cache(cache_folder(config.cache.dir), max_bytes=int(config.cache.max_gb * 1e9)) as cache:
        return all(contents <= _store(cache, bundle, row).known() for row in bundle.info.networks)


def _store(cache: Cache, bundle: Bundle, row: NetworkRow) -> FeatureStore:
    # The number behind an id tells networks of a bundle apart that the cache tells apart by contract and views.
    network_id, views = row.id.partition("-")[0], bundle.info.views_of(row.id).names
    return FeatureStore(cache, bundle.contracts[row.contract], network_id, OnnxEngine.name, views)


def _embed_missing(
    photos: Sequence[Photo], root: Path, store: FeatureStore, network: Path, config: Config, narrator: Narrator
) -> None:
    """Embed into the cache what is not there, of those photos that are still what they were."""
    known = store.known()
    missing = {photo.name: photo for photo in photos if photo.content not in known}
    if not missing or not root.exists():
        return
    with (
        DecodePool(store.contract, timeout_s=config.data.timeout_s) as pool,
        narrator.progress(len(missing), "Embedding photos") as progress,
    ):

        def pixels() -> Iterator[tuple[str, PixelArray]]:
            reading = read_unchanged(root, missing, max_file_mb=config.data.max_file_mb)
            for name, outcome in pool.map_where_needed(reading):
                progress.advance()
                if outcome is not None and not isinstance(outcome, ImageRejected):
                    yield missing[name].content, outcome.pixels

        extract(pixels(), store, lambda: OnnxEngine(network))


def _directions(sample_ND: FloatArray) -> _Tensors:
    """Centre, scale and main directions of a sample of embeddings.

    The directions are found as by Halko, Martinsson & Tropp (SIAM Review, 2011), algorithm 4.4.
    """
    mean_D = sample_ND.mean(axis=0)
    spread_D = sample_ND.std(axis=0)
    scale_D = np.where(spread_D > 1e-6, 1 / np.maximum(spread_D, 1e-6), 0).astype(np.float32)
    n, size = sample_ND.shape
    if min(n, size) <= _DIRECTIONS:
        # Few photos span all their differences; those of others are compared within that span.
        whole_ND = (sample_ND - mean_D) * scale_D
        basis_DE = np.linalg.qr(whole_ND.T)[0] if n < size else np.eye(size, dtype=np.float32)
        return {"mean": mean_D, "scale": scale_D, "basis": np.ascontiguousarray(basis_DE, np.float32)}
    whole_ND = (sample_ND - mean_D) * scale_D
    guess_DE = np.random.default_rng(0).standard_normal((size, _DIRECTIONS + 16)).astype(np.float32)
    for _ in range(3):
        guess_DE = np.linalg.qr(whole_ND.T @ (whole_ND @ guess_DE))[0]
    _, _, turn_EE = np.linalg.svd(whole_ND @ guess_DE, full_matrices=False)
    basis_DE = guess_DE @ turn_EE.T[:, :_DIRECTIONS]
    return {"mean": mean_D, "scale": scale_D, "basis": np.ascontiguousarray(basis_DE, np.float32)}


def _project(embedding_ND: FloatArray, tensors: Mapping[str, np.ndarray]) -> FloatArray:
    """Rows of length 1 along the main directions (N, E); a row that says nothing is 0."""
    rows_NE = ((embedding_ND - tensors["mean"]) * tensors["scale"]) @ tensors["basis"]
    length_N1 = np.linalg.norm(rows_NE, axis=1, keepdims=True)
    return np.asarray(rows_NE / np.maximum(length_N1, 1e-12), np.float32)
