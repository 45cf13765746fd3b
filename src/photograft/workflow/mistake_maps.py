"""Heat maps and nearest training photos of the worst mistakes, for the report: in a few seconds, or not at all."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from photograft.config import Config
from photograft.data.boxes import Boxed
from photograft.data.hashing import hash_bytes, hash_file
from photograft.data.pool import DecodePool
from photograft.data.rows import FACTOR_SEPARATOR
from photograft.data.scan import decoder_key
from photograft.errors import ImageRejected, ModelError, PhotograftError
from photograft.features.engine_maps import MapEngine
from photograft.inference.evidence import Question, questions_named
from photograft.inference.heat_maps import class_activation, empty_picture, look
from photograft.models.bundle import Bundle, read_bundle
from photograft.reporting.clean import clean_text
from photograft.reporting.mistakes_section import Alike, MistakeWhy
from photograft.reporting.overlay import lay_over
from photograft.reporting.thumbnails import make_thumbnail
from photograft.tracking.cache import Cache, cache_folder
from photograft.values import Photo, PixelArray
from photograft.workflow.explain import ENOUGH, shown_size
from photograft.workflow.neighbours import Neighbours, neighbours_at_hand
from photograft.workflow.thumbnails import draw_thumbnails, read_unchanged

_LIMIT_S = 10.0
_ALIKE = 3
_SAID = {"views", "heads", "targets", "joint"}
"""Rows of the bundle that say how logits become an answer."""


def explain_mistakes(
    run: Path, mistakes: Sequence[Mapping[str, Any]], photos: Mapping[str, Photo], root: Path, config: Config
) -> dict[str, MistakeWhy]:
    """What to show under mistakes, by their printable path; `photos` are rows of the manifest by the same names.

    Photos that are gone have nothing, nor have any where the model is gone, gives several labels per photo, or has no
    maps that explain at least half of its answers. After some seconds the rest is left out.
    """
    asked = {each["path"]: each for each in mistakes if each["path"] in photos}
    try:
        bundle = read_bundle(run)
    except ModelError:
        return {}
    if bundle.several or not asked or not root.exists():
        return {}
    overlays = _overlays(bundle, asked, photos, root, config)
    try:
        near = neighbours_at_hand(run)
    except PhotograftError:
        near = None
    alike = _alike(near, {name: photos[name] for name in overlays}, root, config)
    return {name: MistakeWhy(answer, jpeg, alike.get(name, ())) for name, (answer, jpeg) in overlays.items()}


def _overlays(
    bundle: Bundle, asked: Mapping[str, Mapping[str, Any]], photos: Mapping[str, Photo], root: Path, config: Config
) -> dict[str, tuple[str, bytes]]:
    """Per mistake the answer that is explained, and its heat map over the photo: from the cache, or drawn anew."""
    questions = {name: question for name, each in asked.items() if (question := _question(bundle, each)) is not None}
    model = _model_key(bundle)
    kinds = {name: f"why:{question.label}:{model}" for name, question in questions.items()}
    overlays: dict[str, tuple[str, bytes]] = {}
    with Cache(cache_folder(config.cache.dir), max_bytes=int(config.cache.max_gb * 1e9)) as cache:
        missing = []
        for name, kind in kinds.items():
            entry = cache.find_scan(photos[name].content, kind)
            if entry is None:
                missing.append(name)
            elif entry["jpeg"]:
                overlays[name] = questions[name].label, base64.b64decode(entry["jpeg"])
        wanted = {name: photos[name] for name in missing}
        for name, jpeg in _drawn(bundle, {name: questions[name] for name in missing}, wanted, root, config):
            entry = {"jpeg": base64.b64encode(jpeg).decode()}
            cache.remember_scan(photos[name].content, kinds[name], entry)
            if jpeg:
                overlays[name] = questions[name].label, jpeg
    return overlays


def _model_key(bundle: Bundle) -> str:
    """Equal where heat maps are: it goes by the networks, the heads, and how files become pixels."""
    files = [row.file for row in bundle.info.networks] + [row.weights for row in bundle.info.heads]
    decoders = [decoder_key(contract) for contract in bundle.contracts.values()]
    parts = [
        *(hash_file(bundle.folder / file) for file in files),
        *decoders,
        bundle.info.model_dump_json(include=_SAID),
    ]
    return hash_bytes("\n".join(parts).encode())


def _drawn(
    bundle: Bundle, questions: Mapping[str, Question], photos: Mapping[str, Photo], root: Path, config: Config
) -> Iterator[tuple[str, bytes]]:
    """Yield photos with their heat maps, empty where none explains enough, until the time is up."""
    if not photos:
        return
    engines = {key: MapEngine(path) for key, path in bundle.networks.items()}
    pools = {key: DecodePool(each, timeout_s=config.data.timeout_s) for key, each in bundle.contracts.items()}
    started = time.perf_counter()
    try:
        for name, data in read_unchanged(root, photos, max_file_mb=config.data.max_file_mb):
            if time.perf_counter() - started > _LIMIT_S:
                break
            yield name, _overlay(bundle, engines, pools, data, questions[name])
    finally:
        for pool in pools.values():
            pool.close()


def _overlay(
    bundle: Bundle,
    engines: Mapping[str, MapEngine],
    pools: Mapping[str, DecodePool],
    data: bytes | Boxed,
    question: Question,
) -> bytes:
    decoded = {}
    for key, pool in pools.items():
        ((_, outcome),) = pool.map([("", data)])
        if isinstance(outcome, ImageRejected):
            return b""
        decoded[key] = outcome
    pixels: dict[str, PixelArray] = {key: each.pixels for key, each in decoded.items()}
    seen, empty = (look(bundle, engines, each, flips=False) for each in (pixels, empty_picture(pixels)))
    heat_map = class_activation(question, bundle, seen, empty)
    if heat_map is None or heat_map.share < ENOUGH:
        return b""
    width, height = shown_size(bundle, next(iter(decoded.values())))
    picture = lay_over(next(iter(pixels.values())), heat_map.heat_GG)
    return make_thumbnail(picture, width=width, height=height)


def _question(bundle: Bundle, mistake: Mapping[str, Any]) -> Question | None:
    """What spoke for the class that was predicted; of combinations, for the first value that was wrong."""
    by_name = {clean_text(name): name for name in bundle.classes}
    if mistake["predicted"] not in by_name:
        return None
    questions = questions_named(by_name[mistake["predicted"]], bundle)
    said, true = (mistake[key].split(FACTOR_SEPARATOR) for key in ("predicted", "label"))
    wrong = [i for i, (one, other) in enumerate(zip(said, true, strict=False)) if one != other]
    return questions[wrong[0]] if wrong and wrong[0] < len(questions) else questions[0]


def _alike(
    near: Neighbours | None, mistakes: Mapping[str, Photo], root: Path, config: Config
) -> dict[str, tuple[Alike, ...]]:
    """The nearest training photos of each mistake, with small pictures."""
    if near is None:
        return {}
    found = {name: near.of_photo(photo.name, top=_ALIKE) for name, photo in mistakes.items()}
    names = {each.name for some in found.values() for each in some}
    pictures = draw_thumbnails(root, near.photos(names), config)
    return {
        name: tuple(Alike(each.name, each.label, pictures.get(each.name, b"")) for each in some)
        for name, some in found.items()
    }
