"""Korean particles behind words of every kind."""

from __future__ import annotations

import unicodedata

import pytest

from photograft.reporting.josa import PARTICLES, with_josa


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("튤립", ["튤립은", "튤립이", "튤립을", "튤립과", "튤립으로", "튤립이라"]),
        ("장미", ["장미는", "장미가", "장미를", "장미와", "장미로", "장미라"]),
        (
            "연필",
            ["연필은", "연필이", "연필을", "연필과", "연필로", "연필이라"],
        ),
        ("daisy", ["daisy은(는)", "daisy이(가)", "daisy을(를)", "daisy과(와)", "daisy(으)로", "daisy(이)라"]),
        ("0.0004", ["0.0004는", "0.0004가", "0.0004를", "0.0004와", "0.0004로", "0.0004라"]),
        ("3", ["3은", "3이", "3을", "3과", "3으로", "3이라"]),
        ("1", ["1은", "1이", "1을", "1과", "1로", "1이라"]),
        (
            "93.7\u00a0%",
            ["93.7\u00a0%는", "93.7\u00a0%가", "93.7\u00a0%를", "93.7\u00a0%와", "93.7\u00a0%로", "93.7\u00a0%라"],
        ),
        ("‘장미’", ["‘장미’는", "‘장미’가", "‘장미’를", "‘장미’와", "‘장미’로", "‘장미’라"]),
        ("", ["은(는)", "이(가)", "을(를)", "과(와)", "(으)로", "(이)라"]),
    ],
)
def test_the_form_follows_the_last_sound(word: str, expected: list[str]) -> None:
    particles = ["은", "이", "을", "과", "으로", "이라"]
    assert set(particles) == PARTICLES
    assert [with_josa(word, particle) for particle in particles] == expected


def test_a_name_in_parts_is_read_like_a_whole_one() -> None:
    parts = unicodedata.normalize("NFD", "튤립")
    assert with_josa(parts, "은") == parts + "은"
    assert with_josa(unicodedata.normalize("NFD", "장미"), "은").endswith("는")
