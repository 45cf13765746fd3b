"""Search spaces: what is read, and every problem at once with what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from photograft.config import load_config
from photograft.config.space import Range, Space, read_space, value_of, with_values
from photograft.errors import ConfigError


def space_of(tmp_path: Path, text: str) -> Space:
    file = tmp_path / "공간 1.yaml"
    file.write_text(text, encoding="utf-8")
    return read_space(file, load_config())


def problems_of(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        space_of(tmp_path, text)
    return str(caught.value)


def test_ranges_lists_conditions_and_what_judges_are_read(tmp_path: Path) -> None:
    space = space_of(
        tmp_path,
        "metric: macro_f1\npruner: none\nseed: 7\n"
        "train.dropout: {low: 0, high: 0.55, step: 0.1, only_if: {model.graft: [all]}}\n"
        'model.graft: [head, all, "blocks:2"]\n'
        "train:\n  lr: {low: 1e-5, high: 1e-2, log: true}\n  batch_size: {low: 4, high: 64}\n",
    )
    assert (space.metric, space.pruner, space.seed) == ("macro_f1", "none", 7)
    found = {each.name: each for each in space.settings}
    assert list(found)[-1] == "train.dropout"  # behind what its condition asks
    assert found["train.lr"].values == Range(1e-5, 1e-2, True, None, False)
    assert found["train.batch_size"].values == Range(4, 64, False, None, True)
    assert found["train.dropout"].values == Range(0, 0.5, False, 0.1, False)
    assert found["train.dropout"].counts({"model.graft": "all"})
    assert not found["train.dropout"].counts({"model.graft": "head"})
    assert not found["train.dropout"].counts({})
    assert found["train.lr"].holds(1e-3) and not found["train.lr"].holds("auto")
    assert found["train.batch_size"].holds(8) and not found["train.batch_size"].holds(8.5)
    assert found["model.graft"].holds("head") and not found["model.graft"].holds("last-block")


def test_a_space_alone_is_judged_by_accuracy(tmp_path: Path) -> None:
    space = space_of(tmp_path, "input.flip: [true, false]\nmodel.hidden: [[], [64], [32, 32]]\n")
    assert (space.metric, space.pruner, space.seed) == ("accuracy", "median", 0)
    assert space.settings[1].values == ([], [64], [32, 32])


def test_every_problem_is_named_at_once_with_what_was_meant(tmp_path: Path) -> None:
    text = problems_of(
        tmp_path,
        "metric: acuracy\nseed: -1\ntrian.dropout: [0, 0.1]\ntrain.lr: {low: 1e-5, high: 100, log: true}\n"
        "model: {graft: [head, last-blok], embedding: {low: 1, high: 3}}\ntrain.batch_size: {lwo: 4, high: 64}\n"
        "train.dropout: {low: 0, high: 0.5, only_if: {model.grft: [all]}}\ninput.px: 224\nsplit.folds: [3, 5]\n"
        'train.strength: {low: 1, high: 0.1}\naugment.flip: [none, "none"]\ntrain.epochs: {low: 1.5, high: 3}\n',
    )
    assert text.startswith("14 problems in the search space:")
    for words in (
        "metric: acuracy is not possible; use `accuracy`, `macro_f1`, `balanced_accuracy` or `log_loss`; did you mean",
        "seed: -1 is not possible; use a whole number at least 0",
        "trian: there is no such section; did you mean `train`?",
        "train.lr: 100 is not possible; use a number greater than 0 and at most 10",
        "model.graft: last-blok is not possible",
        "did you mean `last-block`?",
        "model.embedding: takes no numbers, so give a list of values, not a range",
        "train.batch_size: there is no `lwo`; did you mean `low`?",
        "train.batch_size: a range needs `low`",
        "train.dropout.only_if: model.grft is no setting of this search space; did you mean `model.graft`?",
        "input.px: 224 is no list of values to try",
        "split.folds: cannot be searched, since every trial needs the same split",
        "train.strength: low (1) must be below high (0.1)",
        "augment.flip: a value stands twice",
        "train.epochs: takes whole numbers only",
        "line 12)",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no setting to search"),
        ("metric: accuracy\n", "names no setting to search"),
        ("train.seed: [1, 2]\n", "the best of several seeds is luck"),
        ("train: [1]\n", "is a section, not a setting"),
        ("train.lr: {low: 0, high: 1, log: true}\n", "a range begins above 0"),
        ("train.lr: {low: 1e-3, high: 1, step: 0}\n", "step: must be above 0"),
        ("train.lr: {low: a, high: 1}\n", "train.lr.low: a is no number"),
        ("train.lr: {low: 1e-3, high: 1, log: ja}\n", "use true or false"),
        ("train.lr: {low: 1e-3, high: 1}\ntrain: {lr: {low: 1}}\n", "given twice"),
        ("input.px: [64]\ntrain.lr: {low: 0.1, high: 1, only_if: {input.px: 96}}\n", "is never 96"),
        (
            "input.px: [64]\ninput.flip: {only_if: {input.px: 64}}\n",
            "a range needs `low` and `high`",
        ),
        ("&a train.lr: [1]\n", "must stand in quotes"),
    ],
)
def test_a_problem_is_told_in_words(tmp_path: Path, text: str, words: str) -> None:
    assert words in problems_of(tmp_path, text)


def test_conditions_do_not_hang_on_conditions(tmp_path: Path) -> None:
    text = problems_of(
        tmp_path,
        "model.graft: [head, all]\n"
        "train.ema: {low: 0, high: 0.5, only_if: {model.graft: all}}\n"
        "train.dropout: {low: 0, high: 0.5, only_if: {train.ema: 0}}\n",
    )
    assert "train.ema has a condition itself" in text


def test_a_grid_has_every_combination_that_counts_once(tmp_path: Path) -> None:
    space = space_of(
        tmp_path,
        "model.graft: [head, all]\ntrain.batch_size: {low: 8, high: 24, step: 8, only_if: {model.graft: all}}\n",
    )
    assert list(space.grid()) == [
        {"model.graft": "head"},
        *({"model.graft": "all", "train.batch_size": size} for size in (8, 16, 24)),
    ]
    with pytest.raises(ConfigError, match=r"grid: train\.lr has a range; give it a `step`"):
        list(space_of(tmp_path, "train.lr: {low: 1e-3, high: 1}\n").grid())


def test_values_take_the_place_of_base_settings() -> None:
    base = load_config(None, ["train.epochs=3"])
    config = with_values(base, {"train.lr": 0.01, "model.hidden": ["32 batchnorm"], "input.px": 96})
    assert (config.train.lr, config.train.epochs, config.model.hidden, config.input.px) == (
        0.01,
        3,
        ("32 batchnorm",),
        96,
    )
    assert (value_of(config, "train.epochs"), value_of(config, "train.lr")) == (3, 0.01)
    with pytest.raises(ConfigError, match=r"evaluate_from must not lie behind train\.epochs"):
        with_values(base, {"train.evaluate_from": 4})


def test_where_several_machines_keep_the_trials_is_read_and_a_password_refused(tmp_path: Path) -> None:
    space = space_of(tmp_path, "storage: postgresql://anna@db.lab/tune\ngrace: 300\ntrain.lr: [0.1]\n")
    assert (space.storage, space.grace) == ("postgresql://anna@db.lab/tune", 300)
    assert space_of(tmp_path, "train.lr: [0.1]\n").storage is None
    text = problems_of(tmp_path, "storage: postgresql://anna:geheim@db.lab/tune\ngrace: 1\ntrain.lr: [0.1]\n")
    assert "storage: holds a password" in text and "PHOTOGRAFT_TUNE_STORAGE" in text and "geheim" not in text
    assert "grace: 1 is not possible; use a whole number at least 5" in text
    assert "storage: 7 is not possible; it is no text" in problems_of(tmp_path, "storage: 7\ntrain.lr: [0.1]\n")
