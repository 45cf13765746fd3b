"""Search spaces: which values of which settings `photograft tune` tries, read from YAML and checked before it runs.

::

    metric: macro_f1
    train.lr: {low: 1e-5, high: 1e-2, log: true}
    model.graft: [head, last-block, "blocks:2"]
    train.dropout: {low: 0, high: 0.5, step: 0.1, only_if: {model.graft: [last-block, "blocks:2"]}}
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import floor
from pathlib import Path
from typing import Any, Literal, get_args

from photograft.config.document import DocumentProblem, Given, read_file, write_value
from photograft.config.explain import explain_setting
from photograft.config.load import validate
from photograft.config.names import dotted_name, split_name
from photograft.config.problems import describe, name_problem
from photograft.config.settings import Config
from photograft.config.storage_url import VARIABLE, has_password, storage_problem
from photograft.config.tree import SettingPath, leaves
from photograft.errors import ConfigError

Metric = Literal["accuracy", "macro_f1", "balanced_accuracy", "log_loss"]
Pruner = Literal["median", "hyperband", "none"]

_RANGE = ("low", "high", "log", "step")
_KEYS = (*_RANGE, "only_if")
_HEAD: dict[str, tuple[str, ...]] = {"metric": get_args(Metric), "pruner": get_args(Pruner), "storage": ()}
"""What a file says beside the settings and numbers, with the words that are possible."""
_NUMBERS = {"seed": 0, "grace": 5}
"""Whole numbers that a file says beside the settings, with the least that is possible."""
_FIXED = {
    "data": "every trial needs the same photos",
    "split": "every trial needs the same split",
    "train.seed": "the best of several seeds is luck",
    "train.refit": "it changes which photos judge a trial",
    "train.on_all": "it changes which photos judge a trial",
}
"""Settings that must not differ between trials, and why."""


@dataclass(frozen=True)
class Range:
    """All numbers from `low` to `high`, evenly or by their logarithm, or in steps; whole ones where `whole`."""

    low: float
    high: float
    log: bool
    step: float | None
    whole: bool

    def holds(self, value: Any) -> bool:
        """Whether the value is one of them."""
        return type(value) in (int, float) and self.low <= value <= self.high and (not self.whole or value % 1 == 0)

    def grid(self) -> tuple[Any, ...] | None:
        """All values, if they are few: those of steps, and whole numbers."""
        step = self.step or (1 if self.whole and not self.log else None)
        if step is None:
            return None
        values = [round(self.low + i * step, 12) for i in range(floor((self.high - self.low) / step + 1e-9) + 1)]
        return tuple(map(int, values) if self.whole else values)


@dataclass(frozen=True)
class Searched:
    """One setting of a space with the values to try: a range or a list. It counts only where `only_if` holds."""

    name: str
    values: Range | tuple[Any, ...]
    only_if: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def holds(self, value: Any) -> bool:
        """Whether the value is one that is tried."""
        if isinstance(self.values, Range):
            return self.values.holds(value)
        return write_value(value) in map(write_value, self.values)

    def counts(self, chosen: Mapping[str, Any]) -> bool:
        """Whether the setting has an effect beside those that were chosen before it."""
        return all(
            name in chosen and write_value(chosen[name]) in map(write_value, values)
            for name, values in self.only_if.items()
        )


@dataclass(frozen=True)
class Space:
    """What is searched, and by what a trial is judged and given up. Settings with a condition stand behind others.

    `storage` is where several machines keep the trials, None for the folder of the search. There, a trial that gives no
    sign of life for `grace` seconds counts as broken off.
    """

    settings: tuple[Searched, ...]
    metric: Metric = "accuracy"
    pruner: Pruner = "median"
    seed: int = 0
    storage: str | None = None
    grace: int = 120

    def grid(self) -> Iterator[dict[str, Any]]:
        """Every combination, each once.

        Raises:
            ConfigError: a setting has a range without steps.
        """
        for each in self.settings:
            if isinstance(each.values, Range) and each.values.grid() is None:
                raise ConfigError(f"--sampler grid: {each.name} has a range; give it a `step`, or a list of values.")
        yield from self._combine({}, self.settings)

    def _combine(self, chosen: dict[str, Any], left: Sequence[Searched]) -> Iterator[dict[str, Any]]:
        if not left:
            yield chosen
            return
        first, *rest = left
        if not first.counts(chosen):
            yield from self._combine(chosen, rest)
            return
        values = first.values.grid() if isinstance(first.values, Range) else first.values
        for value in values or ():
            yield from self._combine({**chosen, first.name: value}, rest)


def read_space(file: Path, base: Config) -> Space:
    """Read a search space, and check every value of it within the settings `base` that it changes.

    Raises:
        ConfigError: names every problem at once, each with its line and what would work.
    """
    try:
        given, problems = read_file(file)
    except DocumentProblem as problem:
        raise ConfigError(str(problem).replace("the settings file", "the search space")) from None
    head: dict[str, Any] = {}
    specs: dict[SettingPath, dict[str, Given]] = {}
    for each in given:
        if each.path[0] in {*_HEAD, *_NUMBERS} and len(each.path) == 1:
            problems += _read_head(each, head)
        else:
            problems += _add(each, specs)
    found = [_read_setting(path, spec, base) for path, spec in specs.items()]
    settings = [setting for setting, _ in found if setting is not None]
    problems += [problem for _, wrong in found for problem in wrong]
    problems += _condition_problems(settings, specs)
    if not specs and not problems:
        problems.append(f"{file} names no setting to search, like `train.lr: {{low: 1e-5, high: 1e-2, log: true}}`")
    if problems:
        raise ConfigError(describe(problems).replace("in the settings:", "in the search space:", 1))
    ordered = sorted(settings, key=lambda each: bool(each.only_if))
    return Space(tuple(ordered), **head)


def with_values(base: Config, values: Mapping[str, Any]) -> Config:
    """The settings with some of them replaced, checked together.

    Raises:
        ConfigError: they do not go together.
    """
    chosen = {path: Given(path, value, "base settings") for path, value in leaves(base)}
    for name, value in values.items():
        path = split_name(name)
        chosen[path] = Given(path, value, "tried")
    config, problems = validate(chosen)
    if config is None or problems:
        raise ConfigError(describe(problems))
    return config


def value_of(config: Config, name: str) -> Any:
    """The value of a setting; None where it is an entry that nobody gave."""
    return dict(leaves(config)).get(split_name(name))


def _read_head(given: Given, head: dict[str, Any]) -> list[str]:
    name, value = given.path[0], given.value
    if name in _NUMBERS:
        head[name], least = value, _NUMBERS[name]
        if type(value) is int and value >= least:
            return []
        return [f"{name}: {write_value(value)} is not possible; use a whole number at least {least} ({given.origin})"]
    if name == "storage":
        head[name] = value
        return _storage_problems(value, given.origin)
    words = _HEAD[name]
    if value in words:
        head[name] = value
        return []
    close = difflib.get_close_matches(str(given.value), words, n=1)
    hint = f"; did you mean `{close[0]}`?" if close else ""
    listed = ", ".join(f"`{word}`" for word in words[:-1]) + f" or `{words[-1]}`"
    return [f"{name}: {write_value(given.value)} is not possible; use {listed}{hint} ({given.origin})"]


def _storage_problems(value: Any, origin: str) -> list[str]:
    if isinstance(value, str) and has_password(value):
        return [
            f"storage: holds a password, which does not belong in a file; leave it out, and give the whole address in "
            f"the environment variable {VARIABLE} ({origin})"
        ]
    problem = storage_problem(value) if isinstance(value, str) else "it is no text"
    return [f"storage: {write_value(value)} is not possible; {problem} ({origin})"] if problem else []


def _add(given: Given, specs: dict[SettingPath, dict[str, Given]]) -> list[str]:
    """Put an entry to its setting, under the key of a range, "only_if NAME", or "" for a list."""
    parts = tuple(part for each in given.path for part in split_name(each))
    cut = next((i for i, part in enumerate(parts) if i and part in _KEYS), len(parts))
    path, rest = parts[:cut], parts[cut:]
    if not rest and name_problem(Given(path, given.value, given.origin)) and (close := _close_key(path)):
        return [f"{dotted_name(path[:-1])}: there is no `{path[-1]}`; did you mean `{close}`? ({given.origin})"]
    key = f"only_if {dotted_name(rest[1:])}" if rest[:1] == ("only_if",) else ".".join(rest)
    spec = specs.setdefault(path, {})
    if key in spec:
        return [f"{dotted_name(parts)}: given twice ({spec[key].origin} and {given.origin}); keep one of them"]
    spec[key] = given
    return []


def _close_key(path: SettingPath) -> str:
    """The key of a range that was meant by the last part of a path which is a setting without it."""
    if len(path) < 2 or name_problem(Given(path[:-1], [], "")) is not None:
        return ""
    return next(iter(difflib.get_close_matches(path[-1], _KEYS, n=1, cutoff=0.5)), "low")


def _read_setting(path: SettingPath, spec: Mapping[str, Given], base: Config) -> tuple[Searched | None, list[str]]:
    name, first = dotted_name(path), next(iter(spec.values()))
    origin = first.origin
    problem = name_problem(Given(path, [], origin))
    if problem is None:
        held = next((why for fixed, why in _FIXED.items() if name == fixed or name.startswith(f"{fixed}.")), "")
        problem = f"{name}: cannot be searched, since {held} ({origin})" if held else None
    if problem is not None:
        return None, [problem]
    only_if = {
        key.removeprefix("only_if "): tuple(each.value) if isinstance(each.value, list) else (each.value,)
        for key, each in spec.items()
        if key.startswith("only_if ")
    }
    ranged = {key: each for key, each in spec.items() if key in _RANGE}
    values: Range | tuple[Any, ...] | None
    if "" in spec:
        values, problems = _read_list(path, spec[""], alone=not ranged)
    else:
        values, problems = _read_range(path, ranged, origin)
    if values is None:
        return None, problems
    tried = (values.low, values.high) if isinstance(values, Range) else values
    for value in tried:
        value = int(value) if isinstance(values, Range) and values.whole else value
        problems += _value_problems(path, value, base, origin)
    return Searched(name, values, only_if), problems


def _read_list(path: SettingPath, given: Given, *, alone: bool) -> tuple[tuple[Any, ...] | None, list[str]]:
    name, value = dotted_name(path), given.value
    if not alone or not isinstance(value, list) or not value:
        return None, [
            f"{name}: {write_value(value)} is no list of values to try; write `[a, b]`, or a range like "
            f"`{{low: 1, high: 10}}`; what stays fixed belongs into --config or --set ({given.origin})"
        ]
    if len(set(map(write_value, value))) < len(value):
        return None, [f"{name}: a value stands twice in {write_value(value)} ({given.origin})"]
    return tuple(value), []


def _read_range(path: SettingPath, spec: Mapping[str, Given], origin: str) -> tuple[Range | None, list[str]]:
    name = dotted_name(path)
    missing = [key for key in ("low", "high") if key not in spec]
    if missing:
        return None, [f"{name}: a range needs {' and '.join(f'`{key}`' for key in missing)} ({origin})"]
    numbers = {key: each.value for key, each in spec.items() if key != "log"}
    wrong = [key for key, value in numbers.items() if type(value) not in (int, float) or value != value]
    if wrong:
        return None, [f"{name}.{key}: {write_value(numbers[key])} is no number ({spec[key].origin})" for key in wrong]
    kind = explain_setting(path).type
    whole = "whole number" in kind
    if "number" not in kind or kind.startswith("list"):
        return None, [f"{name}: takes no numbers, so give a list of values, not a range ({origin})"]
    log = spec["log"].value if "log" in spec else False
    low, high, step = numbers["low"], numbers["high"], numbers.get("step")
    problems = []
    if type(log) is not bool:
        problems.append(f"{name}.log: {write_value(log)} is not possible; use true or false ({spec['log'].origin})")
    elif log and (low <= 0 or step is not None):
        problems.append(f"{name}: with `log` a range begins above 0, and has no `step` ({origin})")
    if low >= high:
        problems.append(f"{name}: low ({low:g}) must be below high ({high:g}) ({origin})")
    if step is not None and step <= 0:
        problems.append(f"{name}.step: must be above 0 ({spec['step'].origin})")
    if whole and any(value % 1 for value in numbers.values()):
        problems.append(f"{name}: takes whole numbers only ({origin})")
    if problems:
        return None, problems
    if step is not None:  # the last step that fits
        high = round(low + floor((high - low) / step + 1e-9) * step, 12)
    return Range(low, high, bool(log), step, whole), []


def _value_problems(path: SettingPath, value: Any, base: Config, origin: str) -> list[str]:
    chosen = {each: Given(each, known, "base settings") for each, known in leaves(base)}
    chosen[path] = Given(path, value, origin)
    # What this value makes impossible elsewhere may be possible again with what is tried beside it.
    return [problem for problem in validate(chosen)[1] if problem.startswith(f"{dotted_name(path)}: ")]


def _condition_problems(settings: Sequence[Searched], specs: Mapping[SettingPath, Mapping[str, Given]]) -> list[str]:
    known, problems = {each.name: each for each in settings}, []
    for each in settings:
        origin = next(iter(specs[split_name(each.name)].values())).origin
        for name, values in each.only_if.items():
            where = f"{each.name}.only_if: {name or 'it'}"
            if name not in known:
                if split_name(name) not in specs:
                    close = difflib.get_close_matches(name, known, n=1)
                    hint = f"; did you mean `{close[0]}`?" if close else ""
                    problems.append(f"{where} is no setting of this search space{hint} ({origin})")
            elif known[name].only_if or name == each.name:
                problems.append(f"{where} has a condition itself; name a setting that is always tried ({origin})")
            else:
                problems += [
                    f"{where} is never {write_value(value)} in this search space ({origin})"
                    for value in values
                    if not known[name].holds(value)
                ]
    return problems
