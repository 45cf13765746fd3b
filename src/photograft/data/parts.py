"""Parts that the user gives: their names, and what they mean together."""

from __future__ import annotations

from collections.abc import Set

PART_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""What each name, in lower case, stands for."""


def settle_parts(kinds: Set[str]) -> tuple[dict[str, str | None], str]:
    """What the parts that were given mean, and a sentence on it where it is not what they are called.

    With train and val but no test, val is the test part. A single part is no division, so its photos are divided as
    usual.

    Raises:
        ValueError: there are parts but none for training.
    """
    if len(kinds) == 1:
        return dict.fromkeys(kinds), f"the only part is {next(iter(kinds))!r}: its photos are divided as usual"
    if "train" not in kinds:
        raise ValueError(f"there are parts ({', '.join(sorted(kinds))}) but none for training")
    if "test" not in kinds:
        return {"train": "train", "val": "test"}, "there is no test part: the validation part is the test part"
    return {kind: kind for kind in kinds}, ""
