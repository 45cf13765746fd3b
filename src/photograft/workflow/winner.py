"""The end of a search: which trial won, whether it beats the base settings, and what it reaches on the test part."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from photograft.config import Config, load_config, to_yaml
from photograft.config.space import Range, value_of
from photograft.data.files import printable
from photograft.errors import ConfigError, ModelError, PhotograftError, TrainingError
from photograft.evaluation.paired import Comparison, compare
from photograft.reporting.judged import read_judged
from photograft.reporting.study_document import comparison_row
from photograft.reporting.tune_document import build_tune
from photograft.reporting.tune_page import render_tune
from photograft.tracking.run_folder import RunFolder
from photograft.tracking.run_places import is_held
from photograft.workflow.fits import Observer
from photograft.workflow.language import page_language
from photograft.workflow.narrator import Narrator
from photograft.workflow.resume import has_begun, read_started
from photograft.workflow.scoring import LOWER_IS_BETTER
from photograft.workflow.train import resume, train
from photograft.workflow.trial_claims import AGAIN
from photograft.workflow.trials import TrialRow, Trials
from photograft.workflow.tune_plan import Search, now

DOCUMENT, PAGE, BEST = "tune.json", "tune.html", "best.yaml"
_WINNER, _DATE = "winner", r"\d{4}-\d\d-\d\d-"


def conclude(search: Search, trials: Trials, narrator: Narrator, *, suffix: str = "") -> dict[str, Any]:
    """Choose the winner, train it once with the test part opened, and write all of it down.

    `suffix` stands behind the name of its run, as `Claims.ending` gives it.

    Raises:
        TrainingError: No trial gave a model.
    """
    rows = trials.rows()
    best = best_trial(search, rows)
    if best is None:
        write_document(search, trials)
        failed = next((row for row in rows if row.reason), None)
        why = f" The first failed with: {failed.reason}" if failed else ""
        raise TrainingError(f"{search.folder.path}: none of {len(rows)} trials gave a model.{why}")
    config = search.settings(dict(best.values), open_test=True)
    search.folder.write(BEST, to_yaml(config))
    if search.plan.test:
        # It may be there from before, or by another process.
        if not any(_is_finished(path) and _is_of(path, config) for path in _runs(search, _WINNER)):
            narrator.say(f"Trial {best.number + 1} is the winner; it is trained once more to open the test part ...")
        run = find_or_train(search, _WINNER + suffix, config, narrator=narrator)
    else:
        run = search.folder.path / best.run
    return write_document(search, trials, winner=run)


def best_trial(search: Search, rows: list[TrialRow]) -> TrialRow | None:
    """The finished trial with the best score; of equal ones the first."""
    done = [row for row in rows if row.score is not None]
    sign = -1.0 if search.space.metric in LOWER_IS_BETTER else 1.0
    return max(done, key=lambda row: sign * float(row.score or 0.0), default=None)


def find_or_train(
    search: Search, name: str, config: Config, *, narrator: Narrator, observe: Observer | None = None
) -> Path:
    """The run of this name and these settings in the folder of the search: found finished, taken up, or trained.

    A finished one of other settings stays: it may be the winner that was told of before there were more trials. An
    unfinished one of another claim stays too: whoever fell silent at it may be writing it still.
    """
    for path in list(_runs(search, name)):
        if _is_finished(path):
            if _is_of(path, config):
                return path
            continue
        if not _is_named(path, name) or is_held(path):
            continue
        if _is_of(path, config) and has_begun(RunFolder(path)):
            with suppress(ModelError):  # what it needs to go on is damaged
                if Path(read_started(RunFolder(path))["photos"]) == Path(search.plan.photos):
                    return resume(path, narrator=narrator, observe=observe).run
        shutil.rmtree(path, ignore_errors=True)
    photos, runs_dir = search.plan.photos, search.folder.path
    return train(photos, name=name, runs_dir=runs_dir, config=config, narrator=narrator, observe=observe).run


def remove_runs(search: Search, name: str) -> None:
    """Remove what a trial of this process left that gave no model."""
    for path in list(_runs(search, name)):
        if _is_named(path, name) and not is_held(path):
            shutil.rmtree(path, ignore_errors=True)


def write_document(search: Search, trials: Trials, *, winner: Path | None = None) -> dict[str, Any]:
    """Write tune.json and tune.html of where the search stands; gives the document."""
    rows, plan = trials.rows(), search.plan
    best = best_trial(search, rows)
    base = next((row for row in rows if row.is_base), None)
    best_file = search.folder.path / BEST
    command = ["photograft", "train", plan.photos, "--config", str(best_file)]
    document = build_tune(
        study=search.folder.path.name,
        data=printable(plan.name),
        created=plan.created,
        written=now(),
        language=page_language(search.base.report.language),
        plan={
            "trials": plan.trials,
            "minutes": plan.minutes,
            "sampler": plan.sampler,
            "metric": search.space.metric,
            "pruner": search.space.pruner,
            "seed": search.space.seed,
            "part": plan.part,
            "test": plan.test,
        },
        space=[_space_row(search, each.name) for each in search.space.settings],
        trials=[_trial_row(row) for row in rows],
        best=None if best is None else best.number + 1,
        importance=trials.importance(),
        comparison=_compared(search, best, base),
        winner=None if winner is None else _winner_row(winner, tested=bool(plan.test)),
        command=None if winner is None else shlex.join(command),
    )
    search.folder.write_json(DOCUMENT, document)
    search.folder.write(PAGE, render_tune(document))
    return document


def _runs(search: Search, name: str) -> Iterator[Path]:
    """The runs of this name, of whichever claim."""
    stem = name.partition(AGAIN)[0]
    pattern = re.compile(rf"{_DATE}{re.escape(stem)}({AGAIN}\d+)?(-\d+)?")
    return (each for each in sorted(search.folder.path.iterdir()) if pattern.fullmatch(each.name))


def _is_named(run: Path, name: str) -> bool:
    """Whether a run has exactly this name, and so belongs to this claim."""
    return re.fullmatch(rf"{_DATE}{re.escape(name)}(-\d+)?", run.name) is not None


def _is_finished(run: Path) -> bool:
    return (run / "checksums.json").is_file() and not has_begun(RunFolder(run))


def _is_of(run: Path, config: Config) -> bool:
    """Whether a run was begun with these settings; the folder of the search, which has the split, may have moved."""
    try:
        asked = load_config(run / "config.yaml")
    except ConfigError:
        return False
    split = asked.split.model_copy(update={"file": config.split.file})
    return to_yaml(asked.model_copy(update={"split": split})) == to_yaml(config)


def _space_row(search: Search, name: str) -> dict[str, Any]:
    setting = next(each for each in search.space.settings if each.name == name)
    values = setting.values
    only_if = {key: list(each) for key, each in setting.only_if.items()}
    row: dict[str, Any] = {"name": name, "base": value_of(search.base, name), "only_if": only_if}
    if isinstance(values, Range):
        return {**row, "choices": None, "low": values.low, "high": values.high, "log": values.log}
    return {**row, "choices": list(values), "low": None, "high": None, "log": False}


def _trial_row(row: TrialRow) -> dict[str, Any]:
    return {
        "number": row.number + 1,
        "state": row.state,
        "base": row.is_base,
        "score": row.score,
        "values": dict(row.values),
        "run": row.run or None,
        "seconds": round(row.seconds, 2),
        "error": row.reason or None,
        "curve": [list(point) for point in row.curve],
    }


def _compared(search: Search, best: TrialRow | None, base: TrialRow | None) -> dict[str, Any] | None:
    """The winner against the base settings, on the photos that judged both trials."""
    if best is None or base is None or base.score is None or best.number == base.number:
        return None
    names = (f"trial {best.number + 1}", "the base settings")
    try:
        judged = [
            read_judged(search.folder.path / row.run, name=name) for row, name in zip((best, base), names, strict=True)
        ]
        found: Comparison | str = compare(*judged)
    except PhotograftError as error:
        found = str(error)
    return comparison_row(*names, found)


def _winner_row(run: Path, *, tested: bool) -> dict[str, Any]:
    report: Mapping[str, Any] = json.loads(RunFolder(run).read("report.json"))
    headline = report["evaluations"][0]
    is_test = tested and headline["what"] == "test"
    return {
        "run": run.name,
        "test": {name: headline["scores"].get(name) for name in _SCORES} if is_test else None,
        "openings": report["test_openings"],
    }


_SCORES = ("n", "accuracy", "accuracy_low", "accuracy_high", "macro_f1", "balanced_accuracy", "log_loss")
