"""An export beside the bundle that it was made of: golden pictures, photos, and photos per second.

Shape letters: N photos, K classes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from photograft.errors import DataError, ImageRejected, ModelError
from photograft.features.engine_onnx import photos_at_once
from photograft.inference.classifier import Classifier
from photograft.inference.decisions import lowest_probability, strangeness
from photograft.inference.golden import TOLERANCE
from photograft.metrics.intervals import paired_difference
from photograft.models.bundle import Bundle
from photograft.models.export_metadata import PROBABILITIES, STRANGENESS
from photograft.values import BoolArray, DoubleArray, FloatArray, IntArray, PixelArray
from photograft.workflow.export_photos import FEWEST, ExportPhotos
from photograft.workflow.narrator import Narrator

Run = Callable[[PixelArray], Mapping[str, FloatArray]]
"""An opened model: pixels (N, px, px, 3) to its outputs by name, `probabilities` (N, K) among them."""

LEAST_AGREEMENT = 0.9
"""The share of photos that a model of fewer bits must name as the bundle does."""

_BATCH = 16
_PASSES, _ENOUGH_S = (9, 60), 1.5


@dataclass(frozen=True)
class Candidate:
    """An export, or one way to run it. `exact` says that it must give the bundle's probabilities, to 0.0001."""

    name: str
    run: Run
    size_bytes: int
    exact: bool


@dataclass(frozen=True)
class _Seen:
    """What a model says of N photos: probabilities, and which status each has (0 ok, 1 unsure, 2 unfamiliar)."""

    probabilities_NK: DoubleArray
    status_N: IntArray


def verify_export(
    classifier: Classifier, candidates: Sequence[Candidate], photos: ExportPhotos | None, narrator: Narrator
) -> dict[str, Any]:
    """Compare an export with its bundle; gives what is to be printed and kept, a row per way to run it.

    Raises:
        ModelError: It does not do what the bundle does.
        DataError: None of the photos can be used.
    """
    bundle = classifier.bundle
    golden = {each.name: _golden_difference(classifier, each) for each in candidates}
    for each in candidates:
        if not golden[each.name] <= (TOLERANCE if each.exact else 1.0):
            raise ModelError(
                f"The export ({each.name}) gives other probabilities of the golden pictures than the bundle: they "
                f"differ by {golden[each.name]:.2g} (at most {TOLERANCE if each.exact else 1:g}). Nothing was written."
            )
    speeds = _measure_speeds([_bundle_run(classifier), *(each.run for each in candidates)], px=bundle.contract.px)
    size = sum(file.stat().st_size for file in _files_used(bundle))
    rows: list[dict[str, Any]] = [{"name": "bundle", "size_bytes": size, **speeds[0]}]
    for each, speed in zip(candidates, speeds[1:], strict=True):
        difference = {"golden_difference": golden[each.name]}
        rows.append({"name": each.name, "size_bytes": each.size_bytes, **speed, **difference})
    compared = None
    if photos is not None and photos.n:
        seen, used_N = _look(classifier, candidates, photos, narrator)
        compared = _compare(bundle, candidates, seen, photos, used_N, rows)
    return {"rows": rows, "photos": compared, "golden": {"n": len(bundle.info.golden), "tolerance": TOLERANCE}}


def calibration_pixels(classifier: Classifier, photos: ExportPhotos | None) -> PixelArray:
    """Pixels (N, px, px, 3) of the photos to calibrate on.

    Raises:
        DataError: There are too few.
    """
    read = () if photos is None else photos.read()
    pixels = [next(iter(each.values())) for each in classifier.pixels_each(read) if each is not None]
    if len(pixels) < FEWEST:
        where = "no photos were given, and those of the run are not there" if photos is None else photos.what
        raise DataError(
            f"Quantisation needs at least {FEWEST} photos to calibrate on, and there are {len(pixels)} ({where}): give "
            "some 200 photos like those that the model is for with --photos FOLDER; half of them may calibrate."
        )
    return np.stack(pixels)


def _golden_difference(classifier: Classifier, candidate: Candidate) -> float:
    """The largest difference from the probabilities that were written down when the model was made."""
    bundle = classifier.bundle
    differences = [0.0]
    for row in bundle.info.golden:
        try:
            pixels = classifier.decode((bundle.folder / row.file).read_bytes())
        except ImageRejected as rejected:
            raise ModelError(f"{bundle.folder / row.file} cannot be decoded: {rejected}") from rejected
        want_K = row.joint or next(iter(row.outputs.values()))
        got_K = candidate.run(next(iter(pixels.values()))[None])[PROBABILITIES][0]
        difference = np.abs(np.subtract(want_K, got_K)).max()
        differences.append(float(difference) if np.isfinite(difference) else float("inf"))
    return max(differences)


def _bundle_run(classifier: Classifier) -> Run:
    """The bundle itself, from pixels to probabilities and strangeness."""
    bundle = classifier.bundle
    (contract,) = bundle.contracts
    told = bundle.info.decisions.unfamiliar

    def run(pixels_NHWC: PixelArray) -> dict[str, FloatArray]:
        embeddings = classifier.embed({contract: pixels_NHWC})
        found = {PROBABILITIES: np.asarray(classifier.probabilities(embeddings).probabilities_NK, np.float32)}
        if told is not None and bundle.familiar is not None:
            found[STRANGENESS] = np.asarray(strangeness(embeddings[told.network], bundle.familiar), np.float32)
        return found

    return run


def _measure_speeds(runs: Sequence[Run], *, px: int) -> list[dict[str, float]]:
    """Photos per second of passes that take turns, so that whatever else the machine does slows all of them alike.

    The median, and those of the slowest and the fastest pass: two speeds differ where these do not overlap.
    """
    n = photos_at_once()
    pixels_NHWC = np.random.default_rng(0).integers(0, 256, (n, px, px, 3), dtype=np.uint8)
    for run in runs:
        run(pixels_NHWC)  # the first pass is slower than the others
    seconds: list[list[float]] = [[] for _ in runs]
    least, most = _PASSES
    while len(seconds[0]) < least or (sum(seconds[0]) < _ENOUGH_S and len(seconds[0]) < most):
        for run, own in zip(runs, seconds, strict=True):
            started = time.perf_counter()
            run(pixels_NHWC)
            own.append(time.perf_counter() - started)
    names = ("photos_per_second", "photos_per_second_low", "photos_per_second_high")
    return [
        {name: n / each for name, each in zip(names, (statistics.median(own), max(own), min(own)), strict=True)}
        for own in seconds
    ]


def _look(
    classifier: Classifier, candidates: Sequence[Candidate], photos: ExportPhotos, narrator: Narrator
) -> tuple[list[_Seen], BoolArray]:
    """What the bundle, then every candidate says of the photos that can be used, and which these are."""
    runs = [_bundle_run(classifier), *(each.run for each in candidates)]
    parts: list[list[_Seen]] = [[] for _ in runs]
    used = []
    with narrator.progress(photos.n, "Comparing") as progress:
        for pixels_NHWC, usable in _batches(classifier, photos):
            used += usable
            progress.advance(len(usable))
            if len(pixels_NHWC):
                for run, own in zip(runs, parts, strict=True):
                    own.append(_see(run, pixels_NHWC, classifier.bundle))
    if not any(used):
        raise DataError(f"None of the {photos.n} photos to compare on can be used ({photos.what}).")
    seen = [
        _Seen(np.concatenate([each.probabilities_NK for each in own]), np.concatenate([each.status_N for each in own]))
        for own in parts
    ]
    return seen, np.array(used)


def _batches(classifier: Classifier, photos: ExportPhotos) -> Iterator[tuple[PixelArray, list[bool]]]:
    """Pixels of the usable photos of a batch, and which these are."""
    px = classifier.bundle.contract.px
    good: list[PixelArray] = []
    usable: list[bool] = []
    for pixels in classifier.pixels_each(photos.read()):
        usable.append(pixels is not None)
        if pixels is not None:
            good.append(next(iter(pixels.values())))
        if len(usable) == _BATCH:
            yield np.array(good, np.uint8).reshape(-1, px, px, 3), usable
            good, usable = [], []
    if usable:
        yield np.array(good, np.uint8).reshape(-1, px, px, 3), usable


def _see(run: Run, pixels_NHWC: PixelArray, bundle: Bundle) -> _Seen:
    step = photos_at_once()
    found = [run(pixels_NHWC[i : i + step]) for i in range(0, len(pixels_NHWC), step)]
    probabilities_NK = np.concatenate([each[PROBABILITIES] for each in found]).astype(np.float64)
    status_N = np.zeros(len(probabilities_NK), np.int64)
    status_N[probabilities_NK.max(axis=1) < lowest_probability(bundle, None)] = 1
    told = bundle.info.decisions.unfamiliar
    if told is not None and STRANGENESS in found[0]:
        status_N[np.concatenate([each[STRANGENESS] for each in found]) > told.limit] = 2
    return _Seen(probabilities_NK, status_N)


def _compare(
    bundle: Bundle,
    candidates: Sequence[Candidate],
    seen: Sequence[_Seen],
    photos: ExportPhotos,
    used_N: BoolArray,
    rows: list[dict[str, Any]],
) -> dict[str, Any]:
    """Add agreement and accuracy to the rows; gives what the photos were."""
    bundled, *others = seen
    right = [_right(each.probabilities_NK, bundle, photos, used_N) for each in seen]
    group_N = np.arange(photos.n) if photos.group_N is None else photos.group_N
    if right[0] is not None:
        rows[0]["accuracy"] = float(right[0].mean())
    for candidate, own, own_right, row in zip(candidates, others, right[1:], rows[1:], strict=True):
        row["max_difference"] = float(np.abs(own.probabilities_NK - bundled.probabilities_NK).max())
        row["agreement"] = float((_answer(own, bundle) == _answer(bundled, bundle)).all(axis=1).mean())
        row["same_status"] = float((own.status_N == bundled.status_N).mean())
        _require_same(candidate, row)
        if own_right is not None and right[0] is not None:
            change, low, high = paired_difference(own_right, right[0], group_N[used_N])
            row |= {"accuracy": float(own_right.mean()), "change": change, "change_low": low, "change_high": high}
    return {
        "what": photos.what,
        "n": int(used_N.sum()),
        "rejected": int((~used_N).sum()),
        "labelled": photos.labelled,
        "seen": photos.n_seen,
    }


def _require_same(candidate: Candidate, row: Mapping[str, Any]) -> None:
    """Refuse an export that does not do what the bundle does."""
    difference = row["max_difference"]
    if not np.isfinite(difference):
        raise ModelError(f"The export ({candidate.name}) gives values that are no numbers. Nothing was written.")
    if candidate.exact and not difference <= TOLERANCE:
        raise ModelError(
            f"The export ({candidate.name}) gives other probabilities of photos than the bundle: they differ by "
            f"{difference:.2g} (at most {TOLERANCE:g}). Nothing was written."
        )
    if not row["agreement"] >= LEAST_AGREEMENT:
        raise ModelError(
            f"The export ({candidate.name}) names {100 * (1 - row['agreement']):.0f} of 100 photos otherwise than the "
            "bundle, and nothing was written. Calibrate on other photos with --photos FOLDER, or use --to onnx."
        )


def _answer(seen: _Seen, bundle: Bundle) -> BoolArray | IntArray:
    """What is answered, (N, 1) of classes, or (N, K) of labels that are given."""
    if bundle.several:
        return np.asarray(seen.probabilities_NK >= np.array(bundle.info.targets[0].thresholds))
    return np.asarray(seen.probabilities_NK.argmax(axis=1)[:, None])


def _right(probabilities_NK: DoubleArray, bundle: Bundle, photos: ExportPhotos, used_N: BoolArray) -> BoolArray | None:
    answer = _answer(_Seen(probabilities_NK, np.zeros(0, np.int64)), bundle)
    if photos.member_NK is not None:
        return np.asarray((answer == photos.member_NK[used_N]).all(axis=1))
    if photos.label_N is not None:
        return np.asarray(answer[:, 0] == photos.label_N[used_N])
    return None


def _files_used(bundle: Bundle) -> list[Any]:
    """Networks, heads and what tells unfamiliar photos."""
    files = [row.file for row in bundle.info.networks] + [row.weights for row in bundle.info.heads]
    if bundle.info.decisions.unfamiliar is not None:
        files.append(bundle.info.decisions.unfamiliar.file)
    return [bundle.folder / name for name in files]
