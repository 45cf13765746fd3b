"""`advise`: how many photos there are, what frozen features make of them, and which policy wins on a sample of them."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from photograft.config import Config, Quality
from photograft.config.document import write_value
from photograft.config.names import dotted_name
from photograft.config.tree import leaves
from photograft.errors import ConfigError, PhotograftError
from photograft.evaluation.paired import Judged
from photograft.evaluation.scenario import BIG_FROM, SIMILAR_FROM, Scenario, Trial, choose_policy
from photograft.metrics.intervals import clustered_n, wilson_interval
from photograft.reporting.advise_texts import recommendation_command, recommendation_note, recommendation_reason
from photograft.workflow.clock import Clock
from photograft.workflow.measured import Measured, measure
from photograft.workflow.narrator import Narrator, Progress, Silent, duration
from photograft.workflow.policies import (
    Cost,
    Sample,
    choose_sample,
    count_candidates,
    plan_policy,
    try_policy,
    with_policy,
    write_parts,
)

_READING, _TRIALS_S, _LEAST_READING_S = 0.5, 80.0, 15.0
"""Share of the time that reading photos may take, once the trials have what they take on any number of photos."""
_PLANNED = 0.85
"""Share of the time left that the trials are planned for: what they will take is an estimate."""
_NOT_USED = ("model.graft", "model.hidden", "train.solver")
"""Settings that say what is asked here."""


def advise(
    photos: str | os.PathLike[str],
    *,
    quality: Quality | None = None,
    config: Config | None = None,
    minutes: float = 5.0,
    options: Sequence[str] | None = None,
    narrator: Narrator | None = None,
) -> dict[str, Any]:
    """Say which policy of transfer learning fits these photos; gives what `photograft advise --json` prints.

    Photos per class and the accuracy of a linear head on frozen features say which of four cases it is; the policies
    that the case suggests are tried on a sample, and compared on the same photos. Nothing is left behind but the cache,
    from which a following `train` takes the features.

    Args:
        photos: A folder, an archive, or a table of paths and labels, as `train` takes it. One label per photo.
        quality: "fast", "good" or "best"; `config.quality` where it is not given.
        config: Settings, as `photograft.load_config` reads them. `model.graft`, `model.hidden`,
            `train.solver` and `ensemble` are not used.
        minutes: How long all of it may take; the sample is as large as that allows.
        options: What the recommended command repeats; by default the settings of `config` that are not the usual ones.
        narrator: Told what happens; nobody by default.

    Raises:
        ConfigError: A setting is wrong, or the network has no pretrained weights.
        DataError: The photos need attention, have several labels each, or are too few.
        MissingExtraError: The `train` extra is not installed.
    """
    if not minutes > 0:
        raise ConfigError(f"minutes: {minutes:g} is no time at all; give a number above 0, such as 5")
    root, narrator, clock, began = Path(photos), narrator or Silent(), Clock(), time.monotonic()
    config = config or Config()
    config = config if quality is None else config.model_copy(update={"quality": quality})
    quiet = _OnlyProgress(narrator)
    with clock.stage("measure"):
        measured = measure(root, with_policy(config, "head"), _reading_s(minutes), clock, quiet)
    scenario = measured.scenario
    names = tuple(dict.fromkeys(("head", *scenario.policies)))
    narrator.say(f"{scenario.name.capitalize()}: trying {', '.join(names)} ...")
    with clock.stage("plan"):
        costs = [plan_policy(root, config, name, view_s=measured.view_s) for name in names]
    left = _PLANNED * (60 * minutes - (time.monotonic() - began))
    sample = choose_sample(count_candidates(measured.divided), costs, seconds=left)
    with clock.stage("try"), tempfile.TemporaryDirectory(prefix="photograft-advise-") as folder:
        parts = Path(folder) / "parts.csv"
        sample = replace(sample, n_photos=write_parts(parts, measured.divided, sample, measured.config))
        judged, seconds = _try_all(root, measured, costs, sample, parts, narrator)
    found = _Found(root, measured, costs, sample, judged, seconds, _changed(config) if options is None else options)
    return {**found.document(), "seconds": {stage: round(s, 3) for stage, s in clock.seconds.items()}}


def _reading_s(minutes: float) -> float:
    """Seconds that reading may take; of more photos a part is measured."""
    return max(_LEAST_READING_S, _READING * (60 * minutes - _TRIALS_S))


@dataclass(frozen=True)
class _Found:
    """Everything that was measured and tried; `options` are what the recommended command repeats."""

    root: Path
    measured: Measured
    costs: Sequence[Cost]
    sample: Sample
    judged: Sequence[Judged]
    seconds: Sequence[float]
    options: Sequence[str]

    def document(self) -> dict[str, Any]:
        """All of it, with the one recommendation."""
        scenario, sample = self.measured.scenario, self.sample
        trials = [Trial(each, cost.full_seconds) for each, cost in zip(self.judged, self.costs, strict=True)]
        policy, comparisons = choose_policy(trials)
        document: dict[str, Any] = {
            **_describe_measured(self.root, self.measured),
            "scenario": _describe_scenario(scenario),
            "sample": {
                "photos": sample.n_photos,
                "judged": len(self.judged[0].keys),
                "per_class": sample.per_class,
                "by": "folds" if sample.folds else "held out",
                "over_time": sample.over,
            },
            "policies": [
                _describe_trial(*each, nominated=each[0].judged.name in scenario.policies)
                for each in zip(trials, self.costs, self.seconds, strict=True)
            ],
            "comparisons": [
                {"policy": c.a, "against": c.b, "difference": c.difference, "low": c.low, "high": c.high, "p": c.p}
                for c in comparisons
            ],
        }
        document["recommendation"] = {
            "policy": policy,
            "reason": recommendation_reason(policy, document),
            "note": recommendation_note(document),
            "command": recommendation_command(self.root, policy, self.options),
        }
        return document


class _OnlyProgress:
    """Passes progress on, and none of the sentences of the verbs that `advise` is made of."""

    def __init__(self, narrator: Narrator) -> None:
        self._narrator = narrator

    def say(self, text: str) -> None:
        """Tell nothing."""

    def progress(self, total: int, label: str) -> AbstractContextManager[Progress]:
        """Show long work."""
        return self._narrator.progress(total, label)


def _try_all(
    root: Path, measured: Measured, costs: Sequence[Cost], sample: Sample, parts: Path, narrator: Narrator
) -> tuple[list[Judged], list[float]]:
    """Every policy on the same sample and split; gives what each said, and the seconds that it took."""
    quiet, n_photos = _OnlyProgress(narrator), sample.n_photos
    judged, seconds = [], []
    for cost in costs:
        about = duration(cost.seconds(n_photos, folds=sample.folds))
        narrator.say(f"Trying {cost.policy} on {n_photos:,} photos (about {about}) ...")
        started = time.perf_counter()
        try:
            found = try_policy(root, measured.config, cost, sample, measured.divided, parts=parts, narrator=quiet)
        except PhotograftError as error:
            said = str(error).partition(" Then go on with:")[0]  # its run folder is not kept
            error.args = (f"trying {cost.policy} on a sample failed: {said}",)
            raise
        judged.append(found)
        seconds.append(time.perf_counter() - started)
    return judged, seconds


def _describe_measured(root: Path, measured: Measured) -> dict[str, Any]:
    found, counts = measured.separability, measured.per_class
    return {
        "source": str(root),
        "backbone": measured.backbone,
        "px": measured.px,
        "photos": {
            "listed": measured.n_listed,
            "measured": len(measured.divided.manifest.photos),
            "classes": len(counts),
            "per_class": round(float(np.median(counts)), 1),
            "fewest": round(min(counts), 1),
            "most": round(max(counts), 1),
        },
        "separability": asdict(found),
        "more_photos": None if measured.more is None else {**asdict(measured.more), "helps": measured.more.helps},
    }


def _describe_scenario(scenario: Scenario) -> dict[str, Any]:
    return {
        "name": scenario.name,
        "big": scenario.big,
        "big_from": BIG_FROM,
        "similar": scenario.similar,
        "similar_from": SIMILAR_FROM,
        "near": list(scenario.near),
        "policies": list(scenario.policies),
        "systems": [{"system": name, "does": what} for name, what in scenario.rules],
        "scratch": scenario.scratch,
    }


def _describe_trial(trial: Trial, cost: Cost, seconds: float, *, nominated: bool) -> dict[str, Any]:
    judged = trial.judged
    right_N = np.array(judged.labels) == np.array(judged.predicted)
    n = clustered_n(right_N, judged.group_N, np.arange(len(right_N)))
    low, high = wilson_interval(trial.accuracy * n, n)
    return {
        "policy": judged.name,
        "nominated": nominated,
        "accuracy": trial.accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "seconds": round(seconds, 1),
        "full_seconds": round(cost.full_seconds, 1),
        "full_peak_mb": round(cost.full_peak_mb),
    }


def _changed(config: Config) -> list[str]:
    """The settings that are not the usual ones, as options of a command."""
    usual = {dotted_name(path): value for path, value in leaves(Config())}
    options = []
    for path, value in leaves(config):
        name = dotted_name(path)
        if name not in _NOT_USED and usual.get(name) != value and not name.startswith("ensemble."):
            options += ["--set", f"{name}={write_value(value)}"]
    return options
