"""Whether a search that learns beats one that draws, at as many trials: TPE, random and grid on one table of runs.

`python benchmarks/tune.py FLOWERS` trains every combination of a grid once, by `photograft tune --sampler grid`
(96 linear heads on 100 photos of each class; a folder given with `--search` is taken or gone on with). Then each
sampler searches this table, 200 times with another seed, which takes no training: what a trial scores is looked up.
Printed are the best score after some trials, as the mean over the seeds, and how often one of the best five
combinations was among them. The base settings are not counted.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import machine
import photograft
from photograft.config.document import write_value
from photograft.workflow.trial_storage import require_optuna
from photograft.workflow.trials import quiet

SPACE = """
input.px: [128, 160, 192, 224]
model.embedding: [multi, last]
train.strength: [0.001, 0.1, 1.0, 10.0, 100.0, 1000.0]
train.balance: [none, balanced]
"""
BUDGETS = (5, 10, 20, 40)
SAMPLERS = ("tpe", "random", "grid")
_BEST = 5
Table = Mapping[tuple[str, ...], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("flowers", type=Path)
    parser.add_argument("--search", type=Path, help="folder of the grid search")
    parser.add_argument("--seeds", type=int, default=200)
    arguments = parser.parse_args()
    document = _grid(arguments.flowers, arguments.search)
    names, table = table_of(document)
    rows = {sampler: replay(sampler, names, table, n_seeds=arguments.seeds) for sampler in SAMPLERS}
    scores = sorted(table.values())
    print(f"{len(table)} combinations: best {scores[-1]:.4f}, median {statistics.median(scores):.4f}")
    for sampler, row in rows.items():
        print(sampler, *(f"after {n}: {row[n][0]:.4f} (best five {100 * row[n][1]:.0f} %)" for n in BUDGETS), sep="  ")
    machine.OUT.mkdir(exist_ok=True)
    (machine.OUT / "tune.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def table_of(document: Mapping[str, Any]) -> tuple[dict[str, list[str]], Table]:
    """Per setting its values, and the score of every combination of them."""
    names = {each["name"]: [write_value(value) for value in each["choices"]] for each in document["space"]}
    table = {
        tuple(write_value(trial["values"][name]) for name in names): float(trial["score"])
        for trial in document["trials"]
        if trial["score"] is not None and not trial["base"]
    }
    return names, table


def replay(
    sampler: str, names: Mapping[str, list[str]], table: Table, *, n_seeds: int
) -> dict[int, tuple[float, float]]:
    """Per number of trials the mean of the best score, and the share of seeds that found one of the best five."""
    enough = sorted(table.values())[-_BEST]
    best: dict[int, list[float]] = {n: [] for n in BUDGETS}
    for seed in range(n_seeds):
        scores = list(_search(sampler, names, table, seed))
        for n in BUDGETS:
            best[n].append(max(scores[:n]))
    return {n: (statistics.mean(each), sum(score >= enough for score in each) / n_seeds) for n, each in best.items()}


def _search(sampler: str, names: Mapping[str, list[str]], table: Table, seed: int) -> Iterator[float]:
    """The scores of one search, trial by trial."""
    if sampler == "grid":  # in random order, as `tune` takes it
        order = np.random.default_rng(seed).permutation(len(table))
        scores = list(table.values())
        yield from (scores[index] for index in order[: max(BUDGETS)])
        return
    import optuna

    with quiet():
        kinds = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}
        study = optuna.create_study(direction="maximize", sampler=kinds[sampler](seed=seed))
        for _ in range(max(BUDGETS)):
            trial = study.ask()
            score = table[tuple(trial.suggest_categorical(name, values) for name, values in names.items())]
            study.tell(trial, score)
            yield score


def _grid(flowers: Path, search: Path | None) -> Mapping[str, Any]:
    require_optuna()
    if search is not None:
        return photograft.resume_tuning(search).document
    machine.OUT.mkdir(exist_ok=True)
    space = machine.OUT / "tune-space.yaml"
    space.write_text(SPACE, encoding="utf-8")
    config = photograft.load_config(None, ["data.per_class=100"], quality="fast")
    options: dict[str, Any] = {"sampler": "grid", "trials": 1_000, "runs_dir": machine.OUT / "runs"}
    return photograft.tune(flowers, space=space, config=config, **options).document


if __name__ == "__main__":
    main()
