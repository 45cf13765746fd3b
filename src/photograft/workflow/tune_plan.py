"""What a search was begun with: photos, base settings, space and split, written down so that any process can join."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from photograft.config import Config, load_config, to_yaml
from photograft.config.space import Range, Space, read_space, value_of, with_values
from photograft.data.files import printable
from photograft.data.split import TEST_FRACTION
from photograft.errors import ConfigError, ModelError
from photograft.tracking.openings import SEARCH
from photograft.tracking.run_folder import RunFolder
from photograft.values import Splits
from photograft.workflow.narrator import Narrator
from photograft.workflow.resolve import resolve_graft, trains_by_steps, with_whole_paths
from photograft.workflow.split import check_split, split
from photograft.workflow.trials import Sampler, open_trials

_FORMAT = 1
_SPACE, _BASE, _SPLITS = "space.yaml", "base.yaml", "splits.csv"


@dataclass(frozen=True)
class Plan:
    """What was asked for. `part` names the photos that judge the trials, None for all but those of the test part, which
    are `test` many: both are known once the photos are divided.
    """

    photos: str
    name: str
    created: str
    trials: int
    minutes: float | None
    sampler: Sampler
    part: str | None = None
    test: int = 0


@dataclass(frozen=True)
class Search:
    """A search in its folder."""

    folder: RunFolder
    plan: Plan
    base: Config
    space: Space

    def settings(self, values: dict[str, Any], *, open_test: bool = False) -> Config:
        """The settings of a trial.

        Raises:
            ConfigError: these values do not go together.
        """
        config = with_whole_paths(with_values(self.base, values))
        changes: dict[str, Any] = {"split": config.split.model_copy(update={"open_test": open_test})}
        if not open_test:  # nobody reads what each of the trials would do on worse photos
            changes["train"] = config.train.model_copy(update={"on_all": False, "refit": _closed_refit(config)})
            changes["report"] = config.report.model_copy(update={"robustness_s": 0.0})
        return config.model_copy(update=changes)


def _closed_refit(config: Config) -> Literal["train_val", "all", "none", "folds"]:
    """What a trial's model is fitted on: never the test part."""
    return "train_val" if config.train.on_all or config.train.refit == "all" else config.train.refit


def begin_search(folder: RunFolder, plan: Plan, base: Config, space_file: Path, narrator: Narrator) -> Search:
    """Divide the photos once for all trials and write down what was asked for; the folder is removed where that fails.

    Where nobody says how large the test part is, there is one also for few photos: the winner needs photos to be judged
    by that did not choose it.
    """
    with folder.removed_on_failure():
        splits, base = _divide(folder, Path(plan.photos), base, narrator)
        folder.write(_BASE, to_yaml(base))
        folder.write(_SPACE, space_file.read_bytes())
        space = read_space(folder.path / _SPACE, base)
        test = len(splits.rows("test"))
        held_out = test and len(splits.rows("val")) and _may_train_by_steps(base, space)
        search = Search(folder, replace(plan, part="val" if held_out else None, test=test), base, space)
        with open_trials(folder, space, plan.sampler) as trials:
            trials.begin({each.name: value_of(base, each.name) for each in space.settings}, n=plan.trials)
        write_plan(search)  # the last: from now on it can be gone on with
    return search


def open_search(path: Path) -> Search:
    """A search that was begun.

    Raises:
        ModelError: the folder is none, or one of a newer release.
    """
    folder = RunFolder(path)
    if not (path / SEARCH).is_file():
        raise ModelError(f"--resume: {printable(path)} is no search of photograft tune (it holds no {SEARCH}).")
    try:
        written = json.loads(folder.read(SEARCH))
        if written.pop("format") != _FORMAT:
            raise ModelError(f"{path / SEARCH} is of a newer release: pip install -U photograft")
        plan = Plan(**written)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path / SEARCH} is damaged ({error!r}): begin a new search.") from error
    base = load_config(path / _BASE)
    if (path / _SPLITS).is_file():  # the folder may have been moved
        base = base.model_copy(update={"split": base.split.model_copy(update={"file": (path / _SPLITS).absolute()})})
    return Search(folder, plan, base, read_space(path / _SPACE, base))


def write_plan(search: Search) -> None:
    """Write down what is asked for, in ASCII, which keeps names that are not UTF-8."""
    search.folder.write(SEARCH, json.dumps({"format": _FORMAT, **asdict(search.plan)}, indent=2) + "\n")


def now() -> str:
    """The time as ISO 8601, in UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _divide(folder: RunFolder, photos: Path, base: Config, narrator: Narrator) -> tuple[Splits, Config]:
    if base.split.file is not None:
        return check_split(photos, base.split.file, config=base, narrator=narrator).splits, base
    if base.split.test == "auto":
        base = base.model_copy(update={"split": base.split.model_copy(update={"test": TEST_FRACTION})})
    narrator.say("Dividing the photos, once for all trials ...")
    file = folder.path / _SPLITS
    splits = split(photos, file, config=base, narrator=narrator).splits
    narrator.say(splits.statement)
    return splits, base.model_copy(update={"split": base.split.model_copy(update={"file": file.absolute()})})


def _may_train_by_steps(base: Config, space: Space) -> bool:
    """Whether a trial may be judged on validation photos alone; then all are, so that their scores can be compared."""
    configs = [base]
    for each in space.settings:
        values: Sequence[Any] = () if isinstance(each.values, Range) else each.values
        for value in values:
            try:
                configs.append(resolve_graft(with_values(base, {each.name: value}))[0])
            except ConfigError:  # possible only beside another value; the trial will say
                continue
    return any(trains_by_steps(resolve_graft(config)[0]) for config in configs)
