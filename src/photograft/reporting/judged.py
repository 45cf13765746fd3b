"""What a finished run said of the photos that its score rests on, read back from its tables."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np

from photograft.data.csv_text import read_table
from photograft.errors import ModelError
from photograft.evaluation.paired import Judged
from photograft.reporting.records import read_manifest
from photograft.tracking.run_folder import open_run


def read_judged(run: Path, *, name: str | None = None, every: bool = False) -> Judged:
    """The photos of the run's headline, by content: test photos without a relative in training, else those of folds.

    Args:
        run: The folder of a finished run.
        name: What the run is called in sentences; by default as its folder.
        every: Every photo that was judged by a model that had not seen it or a relative: of the test part, and of folds
            or the validation part.

    Raises:
        ModelError: The folder is no run, its tables are damaged, or its photos have several labels.
    """
    folder = open_run(run)
    folder.check("manifest.csv", "splits.csv", "predictions.csv")
    try:
        headline = json.loads(folder.read("report.json"))["evaluations"][0]
        manifest = read_manifest((run / "manifest.csv").read_bytes(), run)
        split = {row["path"]: row for row in read_table((run / "splits.csv").read_bytes())}
        predictions = read_table((run / "predictions.csv").read_bytes())
        if "labels" in (predictions[0] if predictions else {}):
            raise ModelError(f"{run}: photos have several labels, and runs are compared by the one label of a photo.")
        in_test = headline["what"].startswith("test")
        rows = [row for row in predictions if row["predicted"] and (every or (row["part"] == "test") == in_test)]
        if headline["what"] == "test" or every:
            rows = [row for row in rows if row["part"] != "test" or split[row["path"]]["leaked"] == "0"]
        content = {photo.name: f"{photo.sha256}#{photo.object}" for photo in manifest.photos}
        keys = [content[row["path"]] for row in rows]
        groups = [int(split[row["path"]]["group"]) for row in rows]
        sure = tuple(float(row["probability"]) for row in rows)
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise ModelError(f"{run}: its tables are damaged ({error!r}): train it again.") from error
    return Judged(
        name=name or run.name,
        classes=tuple(headline["classes"]),
        keys=tuple(_apart(keys)),
        labels=tuple(row["label"] for row in rows),
        predicted=tuple(row["predicted"] for row in rows),
        group_N=np.array(groups, dtype=np.int64),
        sure=sure,
    )


def _apart(keys: list[str]) -> list[str]:
    """The same keys, copies of one photo numbered as they come."""
    seen: Counter[str] = Counter()
    numbered = []
    for key in keys:
        numbered.append(f"{key}/{seen[key]}")
        seen[key] += 1
    return numbered
