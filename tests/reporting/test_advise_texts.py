from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from photograft.reporting.advise_texts import (
    advise_text,
    recommendation_command,
    recommendation_note,
    recommendation_reason,
)
from photograft.schemas import load_schema


def document(policy: str = "head", *, low: float = -0.01, per_class: int | None = 60) -> dict[str, Any]:
    """What `advise` found on photos of flowers."""
    trial = {"accuracy_low": 0.86, "accuracy_high": 0.95, "nominated": True, "full_peak_mb": 900}
    found: dict[str, Any] = {
        "source": "my flowers",
        "backbone": "efficientnet-lite0",
        "px": 320,
        "photos": {"listed": 2934, "measured": 2934, "classes": 5, "per_class": 559.0, "fewest": 506, "most": 718},
        "separability": {
            "n": 2494,
            "accuracy": 0.94,
            "accuracy_low": 0.93,
            "accuracy_high": 0.95,
            "kappa": 0.92,
            "kappa_low": 0.91,
            "kappa_high": 0.93,
        },
        "more_photos": {"n": 1247, "half": 0.92, "all": 0.94, "gain": 0.02, "low": 0.01, "high": 0.03, "helps": True},
        "scenario": {
            "name": "big, similar",
            "big": True,
            "big_from": 500,
            "similar": True,
            "similar_from": 0.8,
            "near": ["photos per class"],
            "policies": ["blocks:2", "all"],
            "systems": [{"system": "mask", "does": "freeze the body"}],
            "scratch": "not tried",
        },
        "sample": {"photos": 300, "judged": 90, "per_class": per_class, "by": "held out", "over_time": False},
        "policies": [
            {"policy": "head", "accuracy": 0.90, "seconds": 4.0, "full_seconds": 8.0, **trial},
            {"policy": "blocks:2", "accuracy": 0.91, "seconds": 60.0, "full_seconds": 500.0, **trial},
        ],
        "comparisons": [
            {"policy": "blocks:2", "against": "head", "difference": 0.01, "low": low, "high": 0.03, "p": 0.5}
        ],
        "seconds": {"measure": 60.0},
    }
    found["recommendation"] = {
        "policy": policy,
        "reason": recommendation_reason(policy, found),
        "note": recommendation_note(found),
        "command": recommendation_command(Path("my flowers"), policy, ["--quality", "fast"]),
    }
    return found


def test_the_document_follows_its_schema() -> None:
    Draft202012Validator(load_schema("advise")).validate(document())


def test_the_text_fits_a_terminal_and_names_the_limits() -> None:
    lines = advise_text(document()).splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 120
    text = "\n".join(lines)
    assert "big: 559 photos per class (big from 500; near the limit)" in text
    assert "similar: a head on frozen features has kappa 0.92 (0.91 to 0.93; similar from 0.8)" in text
    assert "more photos still help: twice as many gave +2.0 points (+1.0 to +3.0)" in text
    assert "blocks:2 - head: +1.0 points (-1.0 to +3.0): not distinguishable" in text
    assert lines[-1].strip() == "photograft train 'my flowers' --quality fast --set model.graft=head"
    assert "--minutes" not in advise_text(
        {**document(), "recommendation": {**document()["recommendation"], "note": ""}}
    )
    over = document()
    over["sample"]["over_time"] = True
    assert (
        "Tried on 300 photos, judged by 90 held out; longer than --minutes, as fewer would tell nothing"
        in advise_text(over)
    )


@pytest.mark.parametrize(
    ("policy", "low", "reason"),
    [
        ("head", -0.01, "not distinguishable from blocks:2 (+1.0 points (-1.0 to +3.0)), and cheaper"),
        ("blocks:2", 0.005, "best on this sample: +1.0 points (+0.5 to +3.0) over head"),
    ],
)
def test_the_reason_says_what_was_compared(policy: str, low: float, reason: str) -> None:
    assert document(policy, low=low)["recommendation"]["reason"] == reason


def test_a_small_sample_of_a_big_set_is_no_last_word() -> None:
    found = document()
    assert recommendation_note(found).startswith("300 of 2,934 photos were tried")
    found["photos"]["listed"] = 310
    assert recommendation_note(found) == ""


def test_the_command_is_safe_in_a_shell() -> None:
    command = recommendation_command(Path("나의 사진; rm"), "all", ["--set", "data.labels.separator=;"])
    assert shlex.split(command)[2:5] == ["나의 사진; rm", "--set", "data.labels.separator=;"]
