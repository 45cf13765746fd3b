"""How good a trial is, by one number, read from its run; always on the same photos."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from photograft.config.space import Metric
from photograft.data.csv_text import read_table
from photograft.errors import ConfigError, ModelError
from photograft.metrics.confusion import accuracy, balanced_accuracy, confusion_matrix, macro_f1
from photograft.tracking.run_folder import RunFolder
from photograft.values import FloatArray, IntArray

_APART = (
    "of photos with several labels, heads are judged on other photos than fine-tuned networks: search model.graft=head "
    "in one space and the others in another"
)

LOWER_IS_BETTER: tuple[Metric, ...] = ("log_loss",)


def score_run(run: Path, metric: Metric, *, part: str | None = None) -> float:
    """Score a finished run on photos that it was not trained on, other than the test part.

    Args:
        run: Its folder.
        metric: What is measured.
        part: Count the photos of this part alone, so that out-of-fold answers and those on validation photos can be
            compared; None for all.

    Raises:
        ConfigError: Photos have several labels, and the metric is not one for these, or the part is not what the run
            was judged on.
        ModelError: The tables of the run are damaged.
    """
    folder = RunFolder(run)
    try:
        evaluations = json.loads(folder.read("report.json"))["evaluations"]
        headline = next(each for each in evaluations if not each["what"].startswith("test"))
        classes = {name: index for index, name in enumerate(headline["classes"])}
        table = read_table((run / "predictions.csv").read_bytes())
        if table and "labels" in table[0]:
            if part is not None and headline["what"] != "validation":
                raise ConfigError(_APART)
            return _reported(headline["scores"], metric)
        rows = [row for row in table if row["part"] != "test" and row["predicted"]]
        if part is not None:
            rows = [row for row in rows if row["part"] == part]
        if not rows:
            raise ValueError(f"no photo of {part or 'its folds'} was judged")
        label_N = np.array([classes[row["label"]] for row in rows])
        predicted_N = np.array([classes[row["predicted"]] for row in rows])
        probability_N = np.array([float(row[f"p_{row['label']}"]) for row in rows])
    except (OSError, ValueError, KeyError, StopIteration) as error:
        raise ModelError(f"{run}: its tables are damaged ({error!r}): remove the folder, and go on.") from error
    return _measure(metric, label_N, predicted_N, probability_N, n_classes=len(classes))


def _reported(scores: dict[str, float], metric: Metric) -> float:
    if metric not in scores:
        raise ConfigError(f"metric: photos with several labels have no {metric}; take macro_f1.")
    return float(scores[metric])


def _measure(
    metric: Metric, label_N: IntArray, predicted_N: IntArray, probability_N: FloatArray, *, n_classes: int
) -> float:
    if metric == "log_loss":
        return float(-np.log(np.clip(probability_N, 1e-15, 1.0)).mean())
    confusion_KK = confusion_matrix(label_N, predicted_N, n_classes=n_classes)
    measure = {"accuracy": accuracy, "macro_f1": macro_f1, "balanced_accuracy": balanced_accuracy}[metric]
    return measure(confusion_KK)
