"""What a search was begun with: photos, base settings, space and split, written down so that any process can join."""

from __future__ import annotations

import datetime
import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from photograft.config import Config, load_config, to_yaml
from photograft.config.space import Range, Space, read_space, value_of, with_values
from photograft.config.storage_url import given_storage, without_password
from photograft.data.files import printable
from photograft.data.split import TEST_FRACTION
from photograft.errors import ConfigError, DataError, ModelError
from photograft.tracking.openings import SEARCH
from photograft.tracking.run_folder import RunFolder
from photograft.workflow.clock import Clock
from photograft.workflow.environment import data_sha256
from photograft.workflow.narrator import Narrator
from photograft.workflow.resolve import resolve_graft, resolve_input, trains_by_steps, with_whole_paths
from photograft.workflow.source import open_source, scan_source
from photograft.workflow.split import SplitDone, check_split, split
from photograft.workflow.trials import Sampler, SharedStudy, open_trials

_FORMAT, _SHARED_FORMAT = 1, 2
"""Releases that know the first alone would look for the trials in the folder."""
_SPACE, _BASE, _SPLITS = "space.yaml", "base.yaml", "splits.csv"


@dataclass(frozen=True)
class Plan:
    """What was asked for. `part` names the photos that judge the trials, None for all but those of the test part, which
    are `test` many: both are known once the photos are divided.

    Where several machines are at it, `storage` is where the trials are, without a password, `study` what they are
    called there, and `data` the hash of the photos.
    """

    photos: str
    name: str
    created: str
    trials: int
    minutes: float | None
    sampler: Sampler
    part: str | None = None
    test: int = 0
    storage: str | None = None
    study: str = ""
    data: str = ""


@dataclass(frozen=True)
class Search:
    """A search in its folder. `storage` is the whole address of where several machines keep the trials."""

    folder: RunFolder
    plan: Plan
    base: Config
    space: Space
    storage: str | None = None

    def shared(self, *, new: bool = False) -> SharedStudy | None:
        """Where the trials are and what they belong to; None where the folder has them."""
        if self.storage is None:
            return None
        digest = hashlib.sha256()
        for name in (_BASE, _SPACE, _SPLITS):
            file = self.folder.path / name
            digest.update(file.read_bytes() if file.is_file() else b"")
        return SharedStudy(self.storage, self.plan.study, digest.hexdigest(), new)

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
    storage = given_storage(read_space(space_file, base).storage)
    with folder.removed_on_failure():
        divided, base = _divide(folder, Path(plan.photos), base, narrator)
        splits = divided.splits
        folder.write(_BASE, to_yaml(base))
        folder.write(_SPACE, space_file.read_bytes())
        space = read_space(folder.path / _SPACE, base)
        test = len(splits.rows("test"))
        held_out = test and len(splits.rows("val")) and _may_train_by_steps(base, space)
        plan = replace(plan, part="val" if held_out else None, test=test)
        if storage is not None:
            study = f"{folder.path.name[:100]} {secrets.token_hex(4)}"
            data = data_sha256(divided.manifest)
            plan = replace(plan, storage=without_password(storage), study=study, data=data)
        search = Search(folder, plan, base, space, storage)
        with open_trials(folder, space, plan.sampler, shared=search.shared(new=True)) as trials:
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
        if written.pop("format") not in (_FORMAT, _SHARED_FORMAT):
            raise ModelError(f"{path / SEARCH} is of a newer release: pip install -U photograft")
        plan = Plan(**written)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path / SEARCH} is damaged ({error!r}): begin a new search.") from error
    base = load_config(path / _BASE)
    if (path / _SPLITS).is_file():  # the folder may have been moved
        base = base.model_copy(update={"split": base.split.model_copy(update={"file": (path / _SPLITS).absolute()})})
    storage = None if plan.storage is None else given_storage(plan.storage)
    return Search(folder, plan, base, read_space(path / _SPACE, base), storage)


def write_plan(search: Search) -> None:
    """Write down what is asked for, in ASCII, which keeps names that are not UTF-8."""
    plan, shared = asdict(search.plan), search.plan.storage is not None
    if not shared:
        plan = {key: value for key, value in plan.items() if key not in ("storage", "study", "data")}
    written = {"format": _SHARED_FORMAT if shared else _FORMAT, **plan}
    search.folder.write(SEARCH, json.dumps(written, indent=2) + "\n")


def require_same_photos(search: Search, narrator: Narrator) -> None:
    """Refuse photos whose contents or labels are not those that the search was begun with.

    Raises:
        DataError: They are not.
    """
    photos, clock = Path(search.plan.photos), Clock()
    narrator.say("Comparing the photos on this machine with those of the search ...")
    config, _ = resolve_input(search.base)
    with open_source(photos, config, clock) as source:
        manifest = scan_source(source, config, clock, narrator)
    if data_sha256(manifest) != search.plan.data:
        raise DataError(
            f"{printable(photos)} does not hold the photos that this search was begun with: names, labels or contents "
            "differ. Copy the photos as they are there to this machine, and name their folder: photograft tune PHOTOS "
            "--resume FOLDER"
        )


def now() -> str:
    """The time as ISO 8601, in UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _divide(folder: RunFolder, photos: Path, base: Config, narrator: Narrator) -> tuple[SplitDone, Config]:
    if base.split.file is not None:
        return check_split(photos, base.split.file, config=base, narrator=narrator), base
    if base.split.test == "auto":
        base = base.model_copy(update={"split": base.split.model_copy(update={"test": TEST_FRACTION})})
    narrator.say("Dividing the photos, once for all trials ...")
    file = folder.path / _SPLITS
    divided = split(photos, file, config=base, narrator=narrator)
    narrator.say(divided.splits.statement)
    return divided, base.model_copy(update={"split": base.split.model_copy(update={"file": file.absolute()})})


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
