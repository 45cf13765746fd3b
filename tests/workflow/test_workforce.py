"""Who fits the heads of `train`: from memory, or in passes over features that are too many for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import photograft
from photograft.training.linear import fit_head
from photograft.workflow.narrator import Silent
from photograft.workflow.workforce import ThisMachine, memory_limit


class Listening(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def test_many_features_are_fitted_in_passes_over_the_chosen_rows() -> None:
    rng = np.random.default_rng(0)
    label_N = rng.integers(0, 3, 600)
    features_ND = (rng.normal(size=(3, 20))[label_N] + 2 * rng.normal(size=(600, 20))).astype(np.float32)
    rows, listening = np.flatnonzero(np.arange(600) % 3), Listening()
    arguments = {"rows": rows, "n_classes": 3, "strength": 0.1}
    machine = ThisMachine(features_ND.nbytes - 1, listening)
    found = machine.fit(features_ND, label_N[rows], np.arange(len(rows)) % 5, **arguments)
    wanted = fit_head(features_ND, label_N[rows], np.arange(len(rows)) % 5, **arguments)
    assert "in passes" in listening.said[0]
    assert np.abs(found.head.weight_DK - wanted.head.weight_DK).max() < 1e-2
    assert found.cv_loss[0.1] == pytest.approx(wanted.cv_loss[0.1], abs=1e-3)
    assert found.head.weight_DK is not wanted.head.weight_DK and found.cv_loss != wanted.cv_loss


def test_few_features_are_fitted_from_memory() -> None:
    listening = Listening()
    features_ND = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    label_N, fold_N, rows = np.arange(60) % 2, np.arange(60) % 5, np.arange(60)
    found = ThisMachine(features_ND.nbytes, listening).fit(features_ND, label_N, fold_N, rows=rows, n_classes=2)
    assert np.array_equal(found.head.weight_DK, fit_head(features_ND, label_N, fold_N, n_classes=2).head.weight_DK)
    assert not listening.said


def test_the_setting_reaches_train(photo_folder: Path, tiny_config: photograft.Config, tmp_path: Path) -> None:
    listening = Listening()
    config = tiny_config.model_copy(update={"scale": tiny_config.scale.model_copy(update={"memory_gb": 1e-5})})
    assert memory_limit(config) == 1e4
    assert memory_limit(tiny_config) > 1e8
    run = photograft.train(photo_folder, config=config, runs_dir=tmp_path, narrator=listening)
    assert any("in passes over them" in text for text in listening.said)
    assert run.headline.scores["n"] == 60
