from __future__ import annotations

import json
from pathlib import Path

import pytest

from photograft.tracking.openings import count_opening


def test_counts_openings_of_the_same_photos_whatever_their_order(tmp_path: Path) -> None:
    assert count_opening(tmp_path, ["a", "b"], run="1") == 1
    assert count_opening(tmp_path, ["b", "a"], run="2") == 2
    assert count_opening(tmp_path, ["a", "b", "c"], run="튤립 3") == 1
    assert sorted(json.loads((tmp_path / "test-openings.json").read_text("utf-8")).values()) == [["1", "2"], ["튤립 3"]]


@pytest.mark.parametrize("content", ["", "{", "[1]", '"x"', "null"])
def test_a_damaged_count_starts_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / "test-openings.json").write_text(content)
    assert count_opening(tmp_path, ["a"], run="1") == 1
    assert count_opening(tmp_path, ["a"], run="2") == 2
