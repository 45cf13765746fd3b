"""When the shipped model is to say that it is unsure, or that a photo is unfamiliar; and how well that works."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from photograft.data.files import open_files
from photograft.evaluation.decisions import (
    Answers,
    Unsure,
    confidence,
    count_answers,
    coverage_curve,
    decide_unsure,
)
from photograft.evaluation.unfamiliar import Unfamiliar, decide_unfamiliar
from photograft.features.extract import BATCH
from photograft.features.matrix import row_blocks
from photograft.inference.classifier import Classifier
from photograft.inference.decisions import strangeness
from photograft.models.bundle_rows import DecisionsRow, UnfamiliarRow, UnsureRow
from photograft.models.decisions import FILE, familiar_file
from photograft.reporting.decisions_section import decisions_document
from photograft.values import FloatArray, IntArray, PixelArray, Predictions
from photograft.workflow.facts import NAMES
from photograft.workflow.members import Learnt, refit_of
from photograft.workflow.ship import BundleInProgress
from photograft.workflow.source import read_as_scanned

if TYPE_CHECKING:
    from photograft.workflow.finish import Trained

_PHOTOS = 1500
"""Photos that the statistic is fitted on: more hardly change it, and all of them would take memory and time."""

_PHOTOS_EMBEDDED_ANEW = 600
"""The same where each of them must go through the network once more."""

_PER_CLASS = 8
_TEST_PHOTOS = 300


@dataclass(frozen=True)
class Decisions:
    """What was decided. `answers` are counted on test photos, or on those that the limit was chosen on, across tenths.
    `curve` is about the same photos.

    `n_flagged` of the `n_familiar` test photos are called unfamiliar by mistake; None without test photos.
    """

    unsure: Unsure | None
    unfamiliar: Unfamiliar | None
    answers: Answers | None
    curve: tuple[tuple[float, float, float], ...] = ()
    n_familiar: int | None = None
    n_flagged: int | None = None


def decide(
    trained: Trained, bundle: BundleInProgress, *, judged: Predictions, test: Predictions, test_rows: IntArray
) -> Decisions:
    """Choose the limits and put them into the bundle, which holds the models that are shipped.

    `judged` are predictions by models that had not seen the photos, `test` those of the photos `test_rows`, which no
    limit is chosen on; photos with a duplicate in training are left out.
    """
    splits, settings = trained.learnt.splits, trained.config.predict
    clean = np.flatnonzero(~splits.leaked_N[test_rows])
    unsure, answers = None, None
    curve: tuple[tuple[float, float, float], ...] = ()
    if settings.precision is not None and not trained.learnt.targets.several:
        group_N, duplicate_N = splits.group_N[trained.rows], splits.duplicate_N[trained.rows]
        what = NAMES[trained.what]
        unsure = decide_unsure(
            judged, precision=settings.precision, group_N=group_N, duplicate_N=duplicate_N, what=what
        )
        answers, curve = unsure.answers, unsure.curve
        if unsure.min_probability is not None and len(clean):
            answers = count_answers(test.take(clean), unsure.min_probability, what="test")
            curve = coverage_curve(*confidence(test.take(clean))[:2])
    decided = Decisions(unsure, None, answers, curve)
    if settings.unfamiliar is not None:
        decided = _with_unfamiliar(trained, bundle, decided, test_rows[clean], settings.unfamiliar)
    _ship(bundle, decided)
    return decided


def decisions_section(decided: Decisions, *, flagged: float | None) -> dict[str, Any]:
    """The section of report.json."""
    familiar = None if decided.n_flagged is None else (decided.n_flagged, decided.n_familiar or 0)
    return decisions_document(
        decided.unsure,
        decided.answers,
        decided.unfamiliar,
        curve=decided.curve,
        flagged=flagged,
        familiar=familiar,
    )


def _with_unfamiliar(
    trained: Trained, bundle: BundleInProgress, decided: Decisions, test_rows: IntArray, flagged: float
) -> Decisions:
    learnt = trained.learnt
    on_all = refit_of(trained.config) == "all"
    rows = learnt.splits.rows("train", "val", *(["test"] if on_all else []))
    kind_N, names = _kinds(learnt)
    rows = _draw(rows, kind_N[rows], _PHOTOS if _has_features(trained, bundle) else _PHOTOS_EMBEDDED_ANEW)
    held = np.empty(0, np.int64) if on_all else np.sort(np.random.default_rng(0).permutation(test_rows)[:_TEST_PHOTOS])
    embedding_ND, read = _embed(trained, bundle, np.concatenate([rows, held]))
    fitted = read < len(rows)
    rows = rows[read[fitted]]
    unfamiliar = decide_unfamiliar(
        embedding_ND[fitted], kind_N[rows], group_N=learnt.splits.group_N[rows], names=names, flagged=flagged
    )
    if unfamiliar is None:
        return decided
    n_familiar = n_flagged = None
    if len(held):
        n_familiar = int((~fitted).sum())
        n_flagged = int((strangeness(embedding_ND[~fitted], unfamiliar.familiar) > unfamiliar.limit).sum())
    return replace(decided, unfamiliar=unfamiliar, n_familiar=n_familiar, n_flagged=n_flagged)


def _ship(bundle: BundleInProgress, decided: Decisions) -> None:
    unsure, unfamiliar = decided.unsure, decided.unfamiliar
    row = DecisionsRow()
    files = {}
    if unsure is not None and unsure.min_probability is not None:
        limit = UnsureRow(min_probability=unsure.min_probability, precision=unsure.precision, n=unsure.n)
        row = row.model_copy(update={"unsure": limit})
    if unfamiliar is not None:
        method = unfamiliar.familiar.method
        told = UnfamiliarRow(network=bundle.first_network, method=method, file=FILE, limit=unfamiliar.limit)
        row = row.model_copy(update={"unfamiliar": told})
        files[FILE] = familiar_file(unfamiliar.familiar)
    bundle.decide(row, files)


def _kinds(learnt: Learnt) -> tuple[IntArray, tuple[str, ...]]:
    """The kind of every usable photo and the kinds' names: its class, or of several labels the rarest that it has."""
    if not learnt.targets.several:
        return learnt.label_N, learnt.targets.classes
    member_NK = learnt.member_NK
    rarity_K = 1 / np.maximum(member_NK.sum(axis=0), 1)
    rarest_N = np.where(member_NK.any(axis=1), (member_NK * rarity_K).argmax(axis=1), len(rarity_K))
    return rarest_N.astype(np.int64), (*learnt.targets.classes, "no label")


def _draw(rows: IntArray, kind_N: IntArray, n: int) -> IntArray:
    """Some of the photos, at random, and a few of every kind at least; ascending."""
    order_N = np.random.default_rng(0).permutation(len(rows))
    chosen_N = np.zeros(len(rows), dtype=bool)
    chosen_N[order_N[:n]] = True
    for kind in np.unique(kind_N):
        chosen_N[order_N[kind_N[order_N] == kind][:_PER_CLASS]] = True
    return rows[chosen_N]


def _has_features(trained: Trained, bundle: BundleInProgress) -> bool:
    """Whether the table of features came from the very network that is shipped."""
    owner = next(name for name, network in bundle.owners.items() if network == bundle.first_network)
    return next(member.exact_features for member in trained.members if member.name == owner)


def _embed(trained: Trained, bundle: BundleInProgress, rows: IntArray) -> tuple[FloatArray, IntArray]:
    """Embeddings of photos by the first network of the bundle, and which of `rows` they are of, ascending.

    They are those of training where these came from the shipped network; else the photos go through it once more, and
    one that cannot be read any more is left out.
    """
    if _has_features(trained, bundle):
        blocks = [block_BD for _, block_BD in row_blocks(bundle.embeddings[bundle.first_network], rows)]
        return np.concatenate(blocks), np.arange(len(rows))
    photos = trained.learnt.photos
    max_file_mb = trained.config.data.max_file_mb
    with open_files(trained.learnt.manifest.root) as files, Classifier(bundle.read()) as classifier:
        contract = classifier.bundle.info.networks[0].contract
        order = np.argsort([files.position(photos[i].path) for i in rows], kind="stable")  # an archive's, in one pass
        inputs = (read_as_scanned(photos[i], files, max_file_mb=max_file_mb) for i in rows[order])
        batch: list[PixelArray] = []
        done: list[FloatArray] = []
        read = []
        for place, pixels in zip(order, classifier.pixels_each(inputs), strict=True):
            if pixels is not None:
                read.append(place)
                batch.append(pixels[contract])
            if len(batch) == BATCH:
                done.append(classifier.embed_with(bundle.first_network, np.stack(batch)))
                batch.clear()
        if batch:
            done.append(classifier.embed_with(bundle.first_network, np.stack(batch)))
    back = np.argsort(read)
    return np.concatenate(done)[back], np.asarray(read)[back].astype(np.int64)
