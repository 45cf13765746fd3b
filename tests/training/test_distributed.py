"""Processes that train one network together: the same fit as of one, and an end for all where one ends."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from tests.training.ranks import Case, run

from photograft.errors import ConfigError
from photograft.training import distributed
from photograft.training.ranks import is_said, joined

pytestmark = pytest.mark.skipif(os.name == "nt", reason="forks")

_FITS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({}, {}),
    "mixed": ({"accumulate": 2, "batch_size": 5}, {"mixup": 0.4, "cutmix": 1.0}),
    "small": ({"batch_size": 3, "epochs": 2, "ema": 0.0}, {}),  # a batch has fewer photos than there are processes
    "steered": ({"schedule": "plateau", "step_epochs": 1, "early_stopping": 1, "epochs": 9, "lr": 0.05}, {}),
    "drawn": ({"balance": "sampled", "optimizer": "sgd", "label_smoothing": 0.1}, {}),
}
_SIZES = (1, 2, 4)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What every process of every case found: all are run by one program, since importing torch is slow."""
    cases = {f"{name} {n}": Case(n, *given) for name, given in _FITS.items() for n in _SIZES}
    cases |= {f"targets {n}": Case(n, {}, {"mixup": 0.3}, inputs="ManyTargets") for n in _SIZES}
    for event in ("killed", "failed", "other photos", "other release", "late"):
        cases[event] = Case(3 if event == "killed" else 2, {}, {}, event=event)
    cases |= {"fewer": Case(4, {}, {}, resumed=1), "more": Case(1, {}, {}, resumed=2)}
    cases["long note"] = Case(2, {}, {}, note=20_000_000)  # as much as the split of a million photos or so
    return run(cases, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("name", [*_FITS, "targets"])
@pytest.mark.parametrize("size", [2, 4])
def test_several_processes_train_what_one_does(found: dict[str, list[dict[str, Any]]], name: str, size: int) -> None:
    (alone,) = found[f"{name} 1"]
    several = found[f"{name} {size}"]
    assert len(several) == size and len({each["digest"] for each in several}) == 1  # and all the same, bit for bit
    check_equal(several[0], alone)
    assert all(each["records"] == several[0]["records"] for each in several)


@pytest.mark.parametrize("name", ["fewer", "more"])
def test_a_fit_goes_on_in_another_number_of_processes(found: dict[str, list[dict[str, Any]]], name: str) -> None:
    assert len(found[name]) == (1 if name == "fewer" else 2)
    for each in found[name]:
        check_equal(each, found["plain 1"][0])


def test_the_leaders_clock_ends_the_fit_of_all(found: dict[str, list[dict[str, Any]]]) -> None:
    assert [(each["ended"], len(each["records"])) for each in found["late"]] == [("time limit", 1)] * 2


def test_the_others_end_when_one_is_killed(found: dict[str, list[dict[str, Any]]]) -> None:
    assert [(each["rank"], each["error"]) for each in found["killed"]] == [("0", "LostContact"), ("1", "LostContact")]
    assert all(each["seconds"] < 30 and "has ended without a word" in each["message"] for each in found["killed"])
    assert sorted(each["said"] for each in found["killed"]) == [False, True]  # one of them tells the user


def test_the_others_end_with_the_reason_when_one_fails(found: dict[str, list[dict[str, Any]]]) -> None:
    leader, failed = found["failed"]
    assert (failed["error"], failed["message"]) == ("MemoryError", "no more room")
    assert leader["message"].startswith("process 1 of 2 on ") and "MemoryError: no more room" in leader["message"]
    assert sorted((leader["said"], failed["said"])) == [False, True]


def test_processes_with_other_photos_are_refused(found: dict[str, list[dict[str, Any]]]) -> None:
    for each in found["other photos"]:
        assert (each["error"], each["code"]) == ("ConfigError", 2)
        assert each["message"].startswith("what fit 'train' trains, or on which photos, differs between the processes")
        assert "process 1 on " in each["message"]


def test_another_release_is_refused_and_said_once(found: dict[str, list[dict[str, Any]]]) -> None:
    for each in found["other release"]:
        assert (each["error"], each["code"]) == ("ConfigError", 2)
        assert each["message"].startswith("the release of photograft or torch differs between the processes")
    assert [each["said"] for each in found["other release"]] == [False, True]


def test_a_note_may_be_longer_than_the_store_takes_at_once(found: dict[str, list[dict[str, Any]]]) -> None:
    leader, other = found["long note"]
    assert leader["bytes"] >= 20_000_000 and other["digest"] == leader["digest"]


def test_a_process_that_does_not_reach_the_others_says_so_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as nobody:  # bound, so that no other program gets the port, and not listening
        nobody.bind(("127.0.0.1", 0))
        environment = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
        environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(nobody.getsockname()[1])}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(distributed, "_JOIN", timedelta(seconds=1))
        said = r"^process 1 of 2 on .* does not reach the others at "
        with pytest.raises(ConfigError, match=said) as caught, joined():
            pass
    assert not is_said(caught.value)


def check_equal(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert ours["ended"] == theirs["ended"] and len(ours["records"]) == len(theirs["records"])
    for own, their in zip(ours["records"], theirs["records"], strict=True):
        assert (own[0], own[3], own[4]) == (their[0], their[3], their[4])
        np.testing.assert_allclose([own[1], own[2], own[5]], [their[1], their[2], their[5]], rtol=1e-4)
    np.testing.assert_allclose(ours["weights"], theirs["weights"], rtol=1e-3, atol=1e-4)
