from __future__ import annotations

import pytest

from photograft.data.parts import settle_parts


def test_parts_that_say_what_they_are() -> None:
    assert settle_parts({"train", "test"}) == ({"train": "train", "test": "test"}, "")
    assert settle_parts({"train", "val", "test"})[0] == {"train": "train", "val": "val", "test": "test"}


def test_validation_without_test_is_the_test_part() -> None:
    parts, note = settle_parts({"train", "val"})
    assert parts == {"train": "train", "val": "test"}
    assert "the validation part is the test part" in note


def test_one_part_is_no_division() -> None:
    parts, note = settle_parts({"test"})
    assert parts == {"test": None}
    assert "'test'" in note


def test_no_part_to_train_on() -> None:
    with pytest.raises(ValueError, match=r"parts \(test, val\) but none for training"):
        settle_parts({"val", "test"})
