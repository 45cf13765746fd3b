from __future__ import annotations

import time

import pytest

from photograft.data.patterns import PathPattern
from photograft.errors import ConfigError


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        (
            "{age}_{gender}_{race}_{date}",
            "part1/26_0_2_20170104023102422.jpg",
            {"age": "26", "gender": "0", "race": "2", "date": "20170104023102422"},
        ),
        ("{age}_{gender}_{race}_{date}", "61_1_20170109142408075.jpg", None),
        ("{id}.jpg", "a/b.jpg", {"id": "b"}),
        ("{id}.jpg", "a/b.c.jpg", {"id": "b.c"}),
        ("{id}.jpg", "a/b.png", None),
        ("{id}", "a/b.c.png", {"id": "b.c"}),
        ("{id}", "noextension", {"id": "noextension"}),
        ("{id}.*", "a/b.png", {"id": "b"}),
        ("{사람}/{label}-*.jpg", "깊이/p 01/rose-x-y.jpg", {"사람": "p 01", "label": "rose"}),
        ("{person}\\{label}_*", "p1/rose_3.jpg", {"person": "p1", "label": "rose"}),
        ("{person}/*/{label}_*", "rose_3.jpg", None),
        ("*_{label}_*.jpg", "x_rose_1_2.jpg", {"label": "rose"}),
        ("cam{camera} ({n}).jpg", "cam7 (1).jpg", {"camera": "7", "n": "1"}),
        ("{a}_{b}.jpg", "x_y\nz.jpg", {"a": "x", "b": "y\nz"}),
        ("{a}_{b}.jpg", "x_.jpg", None),
    ],
)
def test_what_a_pattern_finds(pattern: str, path: str, found: dict[str, str] | None) -> None:
    assert PathPattern(pattern).match(path) == found


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("{age_{id}.jpg", "a brace has no partner"),
        ("age}_{id}.jpg", "a brace has no partner"),
        ("{id}/{id}", "{id} comes twice"),
        ("{}.jpg", "{} is no name"),
        ("{a b}.jpg", "{a b} is no name"),
        ("{a}{b}.jpg", "no text between {a} and {b}"),
        ("{a}*.jpg", "no text between {a} and *"),
        ("*.jpg", "names nothing"),
        ("", "segment between slashes is empty"),
        ("{a}//{b}", "segment between slashes is empty"),
    ],
)
def test_what_is_no_pattern(pattern: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PathPattern(pattern)
    assert words in str(caught.value)
    assert "data.labels.pattern" in str(caught.value)


def test_a_hostile_name_costs_no_time() -> None:
    pattern = PathPattern("{a}_{b}_{c}_{d}_{e}_{f}_*x.jpg")
    start = time.process_time()
    assert pattern.match("_" * 250 + ".png") is None
    assert time.process_time() - start < 0.1
