"""Settings that are settled before the photos are known, or when it is known how long they take."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.workflow.tuned import Tuning

import photograft
from photograft.errors import ConfigError
from photograft.workflow.clock import Clock
from photograft.workflow.narrator import Silent
from photograft.workflow.prepare import _passes, prepared
from photograft.workflow.resolve import resolve_graft, without_effect
from photograft.workflow.train import train


def test_judging_cannot_begin_behind_the_usual_epochs() -> None:
    config = photograft.load_config(None, ["model.graft=blocks:1", "train.evaluate_from=30"])
    with pytest.raises(ConfigError, match=r"train.evaluate_from: 30 .* set train.epochs"):
        resolve_graft(config)
    assert resolve_graft(photograft.load_config(None, ["model.graft=scratch", "train.evaluate_from=30"]))


def test_settings_that_the_graft_point_does_not_use_are_named() -> None:
    given = ["train.epochs=20", "augment.rotation=10", "train.balance=balanced", "train.strength=0.1", "train.seed=3"]
    config, _ = resolve_graft(photograft.load_config(None, given))
    assert without_effect(config) == ["train.epochs", "augment.rotation"]
    config, _ = resolve_graft(photograft.load_config(None, [*given, "model.graft=all"]))
    assert without_effect(config) == []


@pytest.mark.slow
def test_a_time_limit_leaves_an_epoch_that_is_judged(tuning: Tuning, tmp_path: Path) -> None:
    config = tuning.config("train.epochs=50", "train.evaluate_from=40", "train.time_limit=0.0005")
    run = train(tuning.photos, config=config, runs_dir=tmp_path)
    resolved = photograft.load_config(run.run / "config.resolved.yaml").train
    assert resolved.epochs == resolved.evaluate_from < 40
    assert run.val is not None


@pytest.mark.parametrize(
    ("settings", "passes"),
    [
        (("split.test=0.2",), 1.8),
        (("split.test=0.2", "train.refit=all"), 2.8),
        (("split.test=0.2", "train.refit=none"), 0.8),
        (("split.test=0.2", "split.val=0"), 5),
        (("split.test=0", "train.refit=all"), 5),
    ],
)
def test_time_is_planned_for_every_fit(tuning: Tuning, settings: tuple[str, ...], passes: float) -> None:
    config = tuning.config("model.graft=head", *settings)
    with prepared(tuning.photos, config, Clock(), Silent()) as ready:
        assert _passes(ready.members[0]) == pytest.approx(passes)
