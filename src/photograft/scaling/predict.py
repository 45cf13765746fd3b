"""`predict --on ray`: many photos classified by the workers of a cluster, as the plain command classifies them."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from photograft.data.files import printable
from photograft.data.hashing import hash_file
from photograft.features.engine_onnx import OnnxEngine
from photograft.inference.classifier import Classifier, FactorPrediction, Prediction, limits_of
from photograft.inference.decisions import lowest_probability
from photograft.models.bundle import Bundle, read_bundle
from photograft.scaling.catalogue import names_of, photos_of, prediction_rows
from photograft.scaling.changed import forget_changed
from photograft.scaling.cluster import On, open_cluster, require_listener
from photograft.scaling.jobs import (
    PARTS,
    Done,
    Job,
    job_place,
    open_job,
    remove_job,
    run_job,
    same_command_goes_on,
    working_on,
)
from photograft.workflow.narrator import Narrator, Silent
from photograft.workflow.untouched import require_outside

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class PredictedOn:
    """What a cluster predicted: `n` photos, and the table of them in parts, at `parts` where they are kept."""

    bundle: Bundle
    job: Job
    parts: str | None
    done: Done

    @property
    def n(self) -> int:
        """Number of photos."""
        return self.job.n_rows

    def predictions(self) -> Iterator[Prediction]:
        """The predictions, in the order of the photos; memory of one block."""
        return read_predictions(self.job)

    def statuses(self) -> Counter[str]:
        """How many photos have which status."""
        return Counter(
            status
            for number in range(self.job.n_blocks)
            for status in self.job.part(number, ("status",))["status"].to_pylist()
        )


@contextmanager
def predict_on(
    on: On,
    model: Path,
    inputs: Sequence[str],
    *,
    out: str | None = None,
    top: int = 1,
    min_probability: float | None = None,
    stdin: Iterable[bytes] = (),
    narrator: Narrator | None = None,
) -> Iterator[PredictedOn]:
    """Classify photos on a Ray cluster; gives what `load(model).predict_each` would give for them.

    With `out`, a folder or a URL, the table stays there as Parquet. Without it parts are in a folder below `jobs/` in
    the working folder until the block ends well: the same call goes on with them where a job was stopped.

    Args:
        on: The cluster.
        model: A run or a bundle, which only this machine needs to see.
        inputs: Files, folders, patterns, lists, tables and URLs of photos, which every machine must see.
        out: Where the parts are kept.
        top: How many classes are kept for each photo.
        min_probability: As for `load`.
        stdin: Lines of paths, where `inputs` has ``-``.
        narrator: Told what happens; nobody by default.

    Raises:
        ConfigError: The cluster or the folder cannot be used.
        DataError: There are no such photos, or they changed since the job began.
        ModelError: The model was refused.
    """
    import ray

    narrator = narrator or Silent()
    bundle = read_bundle(model)
    lowest_probability(bundle, min_probability)
    require_listener(on)
    lines = list(stdin) if "-" in inputs else []
    asked = {"bundle": bundle_sha256(bundle), "top": top, "min_probability": min_probability, "inputs": list(inputs)}
    if "-" in inputs and out is None:  # other lines are another job
        asked["stdin"] = _lines_sha256(lines)
    place = job_place("predict", asked, out)
    if place.folder is not None:
        require_outside(place.folder, [Path(each) for each in inputs if Path(each).is_dir()], option="--out")
    with working_on(place):
        # What stdin gave is given once to each listing, as stdin itself gives it.
        job = open_job(
            place, "predict", asked, lambda: prediction_rows(inputs, stdin=iter(lines)), narrator, anew=out is None
        )
        forget_changed(job, narrator, max_file_mb=limits_of(bundle).max_file_mb)
        with open_cluster(on, narrator) as cluster, same_command_goes_on(job, narrator):
            work = PredictBlocks(ray.put(bundle_files(bundle)), min_probability, top)
            done = run_job(job, work, cluster, narrator, label="Predicting")
        yield PredictedOn(bundle, job, None if out is None else f"{place.url}/{PARTS}", done)
        if out is None:
            remove_job(job)


@dataclass(frozen=True)
class PredictBlocks:
    """How a worker gets its `PredictWork`: the bundle's files travel with it, so that no machine needs the folder.

    `files` is a reference of Ray to the content of every file, by name.
    """

    files: Any
    min_probability: float | None
    top: int

    def __call__(self) -> PredictWork:
        """Open the bundle on this machine."""
        return PredictWork(self.files, self.min_probability, self.top)


class PredictWork:
    """Classifies the photos of a block on one core (`photograft.scaling.jobs.BlockWork`)."""

    def __init__(self, files: Any, min_probability: float | None, top: int) -> None:
        """Open the bundle as `predict` does, from a copy that is gone again before the first block."""
        import ray

        self._top = top
        with tempfile.TemporaryDirectory(prefix="photograft-bundle-", ignore_cleanup_errors=True) as copy:
            for name, content in ray.get(files).items():
                file = Path(copy, name)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            # One thread for the network and one process that decodes: workers side by side do not wait for each other.
            self._classifier = Classifier(
                read_bundle(Path(copy)),
                workers=1,
                min_probability=min_probability,
                engine=partial(OnnxEngine, threads=1),
            )
            self._classifier.predict(np.zeros((64, 64, 3), np.uint8))  # opens the networks; a killed worker leaves none

    def run(self, rows: pyarrow.Table) -> pyarrow.Table:
        """One row for each photo, in order."""
        predictions = self._classifier.predict_each(photos_of(rows))
        return predictions_table(list(zip(names_of(rows), predictions, strict=True)), top=self._top)


def predictions_table(named: Sequence[tuple[str, Prediction]], *, top: int) -> pyarrow.Table:
    """Predictions as rows of Parquet, with the names of their photos and the `top` most probable classes."""
    import pyarrow as pa

    rows = [
        {
            "path": printable(name),
            "status": each.status,
            "label": each.label,
            "probability": each.probability,
            "top": _ranked(each.top[:top]),
            "labels": _ranked(each.labels),
            "factors": [
                {"name": factor, "label": of.label, "probability": of.probability, "top": _ranked(of.top[:top])}
                for factor, of in each.factors.items()
            ],
            "reason": each.reason,
        }
        for name, each in named
    ]
    ranked = pa.list_(pa.struct([("label", pa.string()), ("probability", pa.float64())]))
    factor = pa.struct([("name", pa.string()), ("label", pa.string()), ("probability", pa.float64()), ("top", ranked)])
    kinds = {"probability": pa.float64(), "top": ranked, "labels": ranked, "factors": pa.list_(factor)}
    columns = ("path", "status", "label", "probability", "top", "labels", "factors", "reason")
    return pa.Table.from_pylist(rows, pa.schema([(name, kinds.get(name, pa.string())) for name in columns]))


def read_predictions(job: Job) -> Iterator[Prediction]:
    """The predictions of a job, in the order of its photos; memory of one block."""
    for rows, part in job.rows_and_parts():
        for name, row in zip(names_of(rows), part.to_pylist(), strict=True):
            factors = {
                of["name"]: FactorPrediction(of["label"], of["probability"], _unranked(of["top"]))
                for of in row["factors"]
            }
            yield Prediction(
                name,
                row["status"],
                row["label"],
                row["probability"],
                _unranked(row["top"]),
                row["reason"],
                factors,
                _unranked(row["labels"]),
            )


def bundle_files(bundle: Bundle) -> dict[str, bytes]:
    """The content of every file of a bundle, by its name in it."""
    files = (file for file in bundle.folder.rglob("*") if file.is_file())
    return {file.relative_to(bundle.folder).as_posix(): file.read_bytes() for file in files}


def bundle_sha256(bundle: Bundle) -> str:
    """What tells bundles apart: the hash of their checksums."""
    return hash_file(bundle.folder / "checksums.json")


def _lines_sha256(lines: Iterable[bytes]) -> str:
    found = hashlib.sha256()
    for line in lines:
        found.update(line.rstrip(b"\r\n") + b"\n")
    return found.hexdigest()


def _ranked(named: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"label": label, "probability": chance} for label, chance in named]


def _unranked(rows: Sequence[dict[str, Any]]) -> tuple[tuple[str, float], ...]:
    return tuple((row["label"], row["probability"]) for row in rows)
