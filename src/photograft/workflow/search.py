"""Photos like a photo: an index opened to be asked, with photos, with embeddings, or for copies of a photo.

Shape letters: N photos of the index, D numbers of an embedding.
"""

from __future__ import annotations

import os
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from photograft.contract import Contract
from photograft.data.boxes import Boxed
from photograft.data.files import read_input
from photograft.data.hashing import hash_bytes
from photograft.data.images import to_pixels
from photograft.data.pool import DecodePool
from photograft.errors import ConfigError, ModelError
from photograft.features.engine_onnx import OnnxEngine
from photograft.features.extract import embed_views, merge_views
from photograft.inference.classifier import PhotoInput, array_to_image
from photograft.models.bundle import Bundle, read_bundle
from photograft.retrieval.calibration import SameClass
from photograft.retrieval.copies import Picture, find_copies
from photograft.retrieval.gathered import Gathered
from photograft.retrieval.rows import IndexRow
from photograft.retrieval.shards import ShardsInfo, StoredShards, read_index
from photograft.retrieval.store import DERIVED, IndexInfo, Stored, while_replaced
from photograft.retrieval.together import open_together
from photograft.values import BoolArray, FloatArray, IntArray, PixelArray
from photograft.workflow.narrator import Narrator, Silent
from photograft.workflow.search_sources import is_below

_NAMED = 8
_FILTERS = 32
"""Answers of filters that are kept: looking through 100,000 rows takes a second or two the first time."""


@dataclass(frozen=True)
class Match:
    """A photo of the index that is like the one that was asked about.

    `id` is opaque and stays the same as long as the photo is in the index; `path` is that of its file, relative to its
    `source`; `others` are further paths of the same content. `similarity` is the cosine of the embeddings as the index
    compares them: 1 for the same picture, about 0 for any two. `same` is the probability that both show the same class,
    None where the index has too few labels to know. `kind` says where it is a copy, in words, as in "the same file";
    then there is nothing to be probable, and `same` is None.
    """

    id: str
    path: str
    label: str | None
    similarity: float
    same: float | None
    source: str = ""
    others: tuple[str, ...] = ()
    kind: str = ""


class NothingToSearchError(ConfigError):
    """No photo has the label, or lies in the folder; `instead` says which there are, and not where the index is."""

    def __init__(self, message: str, *, instead: str) -> None:
        super().__init__(f"{message}; {instead}.")
        self.instead = instead


@dataclass(frozen=True)
class Asked:
    """A photo that is asked about: its embedding (D,), its `picture`, and pixels with the shape that they had."""

    embedding_D: FloatArray
    picture: Picture
    pixels: PixelArray
    width: int
    height: int


def open_index(
    folder: str | os.PathLike[str],
    model: str | os.PathLike[str] | None = None,
    *,
    narrator: Narrator | None = None,
) -> PhotoIndex:
    """Open an index that `build_index` or `merge_indexes` made, with the network in it; also one in shards.

    With `model`, a run or bundle, it is made sure that its network embeds as that of the index does.

    Raises:
        ModelError: There is no index, or `model` embeds otherwise.
        IntegrityError: A file of the index is missing or damaged; the message names it.
    """
    # Another process may replace the index also after it was read, before all that it is compared by is open.
    index = while_replaced(Path(folder), lambda: PhotoIndex(read_index(Path(folder)), narrator or Silent()))
    if model is not None and not index.reads(read_bundle(Path(model))):
        raise ModelError(
            f"The index {folder} was made with another network, contract or views than those of {model}: build it "
            f"again with `photograft search build {model} PHOTOS --index {folder}`."
        )
    return index


class PhotoIndex:
    """An open index. Many threads may ask at once; `close`, a `with` block or the program ends its decoder processes.

    >>> with photograft.open_index("shop.index") as index:              # doctest: +SKIP
    ...     index.query("red-shoe.jpg", top=3)[0].path                   # doctest: +SKIP
    'shoes/red/0412.jpg'
    """

    def __init__(self, stored: Stored | StoredShards, narrator: Narrator) -> None:
        self._stored = stored
        self._network = network = stored.info.network
        self._pool = DecodePool(network.contract, workers=1, timeout_s=float(network.limits.get("timeout_s", 10.0)))
        self._one_pass = threading.Lock()
        self._allowed: dict[tuple[str | None, str | None], BoolArray] = {}
        if isinstance(stored, StoredShards):
            self._gathered, directions, derived = stored.gathered, stored.directions, stored.derived
        else:
            self._gathered, directions = Gathered([stored], stored.info.sources), stored.directions()
            derived = [stored.folder / DERIVED]
        self._together, _ = open_together(self._gathered, directions, derived, say=narrator.say)

    @property
    def info(self) -> IndexInfo | ShardsInfo:
        """What the index says of itself."""
        return self._stored.info

    @property
    def folder(self) -> Path:
        """Where the index is."""
        return self._stored.folder

    @property
    def n(self) -> int:
        """Number of photos; a content at several paths is one."""
        return self.info.n_vectors

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels of its photos, sorted."""
        return self.info.classes

    @property
    def same_class(self) -> SameClass | None:
        """How similarity becomes the probability of the same class, and what that was found on."""
        return self.info.same

    @property
    def network_sha256(self) -> str:
        """SHA-256 of the ONNX file that embeds."""
        return self._network.file.sha256

    @property
    def contract(self) -> Contract:
        """How files become pixels."""
        return self._network.contract

    def network_of(self, bundle: Bundle) -> str | None:
        """The id of the network of a bundle whose embeddings can be asked with; None where there is none."""
        for row in bundle.info.networks:
            views = bundle.info.views_of(row.id).names
            contract = bundle.contracts[row.contract].id
            if (row.sha256, contract, views) == (self.network_sha256, self.contract.id, self._network.views):
                return row.id
        return None

    def reads(self, bundle: Bundle) -> bool:
        """Whether `nearest` can be asked with embeddings of this bundle, so that no second pass is needed."""
        return self.network_of(bundle) is not None

    def query(
        self, photo: PhotoInput, *, top: int = 10, label: str | None = None, folder: str | None = None
    ) -> list[Match]:
        """The `top` photos most like a photo, best first; with `label` or `folder` among those alone.

        Raises:
            ImageRejected: The photo cannot be used.
            ConfigError: No photo has this label, or lies in this folder.
        """
        return self.matches(self.look(photo), top=top, label=label, folder=folder)

    def matches(
        self, asked: Asked, *, top: int = 10, label: str | None = None, folder: str | None = None
    ) -> list[Match]:
        """As `query`, for a photo that `look` gave; what is a copy of it says so."""
        numbers, cosines = self._nearest(asked.embedding_D, top, label, folder)
        rows = [self._row(number, label, folder) for number in numbers]

        def raw(some: IntArray) -> FloatArray:
            return self._together.raw([numbers[n] for n in some], asked.embedding_D)

        kinds = dict(find_copies(asked.picture, rows, raw))
        return [self._match(row, cosines[n], kinds.get(n, "")) for n, row in enumerate(rows)]

    def copies(
        self, asked: Asked, *, top: int = 10, label: str | None = None, folder: str | None = None
    ) -> list[Match]:
        """The photos that show the same picture: equal ones, then nearly equal ones, also turned or mirrored."""
        found = self._together.copies(asked.picture, asked.embedding_D, self._among(label, folder), top=top)
        return [self._match(self._row(number, label, folder), cosine, kind) for number, cosine, kind in found]

    def nearest(
        self, embedding_D: FloatArray, *, top: int = 10, label: str | None = None, folder: str | None = None
    ) -> list[Match]:
        """As `query`, for an embedding (D,) that the index's network gave."""
        numbers, cosines = self._nearest(embedding_D, top, label, folder)
        return [
            self._match(self._row(number, label, folder), cosine)
            for number, cosine in zip(numbers, cosines, strict=True)
        ]

    def look(self, photo: PhotoInput) -> Asked:
        """Decode and embed a photo.

        Raises:
            ImageRejected: The photo cannot be used.
        """
        picture, pixels, width, height = self._decode(photo)
        with self._one_pass:  # two at once would only share the cores
            embedding_V1D = embed_views(self._engine, pixels[None], self._network.views)
        embedding_1D = merge_views(embedding_V1D.sum(axis=0), len(self._network.views))
        if self.contract.crop.rule == "center":
            width, height = pixels.shape[1], pixels.shape[0]  # the pixels are a part of the photo, in its own shape
        return Asked(embedding_1D[0], picture, pixels, width, height)

    def thumbnail(self, id: str) -> bytes | None:
        """The JPEG of a photo by its id; None where there is no such photo, or its thumbnail is damaged."""
        return self._gathered.thumbnail(id)

    def close(self) -> None:
        """End the decoder process."""
        self._pool.close()

    def __len__(self) -> int:
        return self.n

    def __enter__(self) -> PhotoIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def _engine(self) -> OnnxEngine:
        return OnnxEngine(self._stored.checked_network())

    def _decode(self, photo: PhotoInput) -> tuple[Picture, PixelArray, int, int]:
        if isinstance(photo, np.ndarray):
            photo = array_to_image(photo)
        if isinstance(photo, Image.Image):
            return Picture(), to_pixels(photo, self.contract), photo.width, photo.height
        if isinstance(photo, Boxed):
            raise ConfigError("An index compares whole photos: ask with a file, its bytes, an image or an array.")
        if isinstance(photo, bytes | bytearray | memoryview):
            data = bytes(photo)
        else:
            data, _ = read_input(photo, max_file_mb=int(self._network.limits.get("max_file_mb", 100)))
        decoded = self._pool.decode(data)
        picture = Picture(hash_bytes(data), decoded.pixel_sha256, decoded.perceptual_hash)
        return picture, decoded.pixels, decoded.width, decoded.height

    def _nearest(
        self, embedding_D: FloatArray, top: int, label: str | None, folder: str | None
    ) -> tuple[list[int], list[float]]:
        if embedding_D.shape != (self._network.size,):
            raise ConfigError(
                f"An embedding of shape {embedding_D.shape} is not one of the index's network, which gives "
                f"({self._network.size},) numbers."
            )
        among_N = None if label is None and folder is None else self._among(label, folder)
        return self._together.nearest(embedding_D, top=top, among_N=among_N)

    def _among(self, label: str | None, folder: str | None) -> BoolArray:
        """Which photos have the label, or lie in the folder, at any of their paths."""
        asked = (label, folder)
        known = self._allowed.get(asked)  # asked for once: another thread may clear them meanwhile
        if known is not None:
            return known
        among_N = self._gathered.among(lambda row: _passes(row, label, folder))
        if not among_N.any() and self.n:
            wanted = {"the label": label, "a path in": folder}
            what = " and ".join(f"{words} {value!r}" for words, value in wanted.items() if value is not None)
            tops = None if folder is None else self._gathered.top_folders()
            instead = "; ".join(_known(None if label is None else self.classes, tops))
            raise NothingToSearchError(f"No photo of the index {self._stored.folder} has {what}", instead=instead)
        if len(self._allowed) >= _FILTERS:
            self._allowed.clear()
        self._allowed[asked] = among_N
        return among_N

    def _row(self, number: int, label: str | None, folder: str | None) -> IndexRow:
        """The first row of a photo that passes the filters, which at least one does."""
        every = self._gathered.files(number)
        return next((row for row in every if _passes(row, label, folder)), every[0])

    def _match(self, row: IndexRow, similarity: float, kind: str = "") -> Match:
        info = self.info
        same = None if info.same is None or kind else float(info.same.probability(np.array([similarity]))[0])
        return Match(
            id=row.id,
            path=row.path,
            label=", ".join(row.labels) or None,
            similarity=similarity,
            same=same,
            source=info.sources[row.source].path,
            others=tuple(each.path for each in self._gathered.files(row.vector) if each != row),
            kind=kind,
        )


def _passes(row: IndexRow, label: str | None, folder: str | None) -> bool:
    if folder is not None and not is_below(row.path, folder):
        return False
    return label is None or any(_form(each) == _form(label) for each in row.labels)


def _known(classes: Sequence[str] | None, folders: Sequence[str] | None) -> Iterator[str]:
    """What could be asked for instead: labels, and the folders at the top; None: not asked for."""
    if classes is not None:
        yield f"its labels are: {_first(classes)}" if classes else "its photos have no labels"
    if folders is not None:
        yield f"its folders are: {_first(folders)}" if folders else "its photos are in no folders"


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (" and others" if len(names) > _NAMED else "")


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name)
