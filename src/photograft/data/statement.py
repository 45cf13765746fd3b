"""What a split guarantees, in one sentence that promises nothing that was not looked for."""

from __future__ import annotations

from collections import Counter

from photograft.values import IntArray, Manifest

_FILE = "file"


def state_split(
    manifest: Manifest,
    duplicate_N: IntArray,
    *,
    group_column: str | None,
    n_leaked_test: int,
    n_crossing: int,
    n_dropped: int,
) -> str:
    """State what stays together, or how much does not.

    Args:
        manifest: The rows that were split.
        duplicate_N: Group of duplicates per row.
        group_column: What the user's groups are called; None for "group".
        n_leaked_test: Test photos of a group that is also in train or validation.
        n_crossing: Photos of a group that stands in several folds.
        n_dropped: Photos that were left out of training because their group is in the test part.
    """
    kinds = _kinds(manifest, group_column)
    either = " or ".join(["a duplicate", *map(_another, kinds)])
    found = []
    if n_leaked_test:
        found.append(
            f"{_photos(n_leaked_test)} of the test part {_have(n_leaked_test)} {either} in train or validation: set "
            "split.on_leak to drop to leave these out of training."
        )
    if n_crossing:
        found.append(
            f"{_photos(n_crossing)} {_have(n_crossing)} {either} in another fold, so that cross-validated scores are "
            "too good."
        )
    if n_dropped:
        was = "was" if n_dropped == 1 else "were"
        found.append(f"{_photos(n_dropped)} with {either} in the given test part {was} left out of training.")
    if n_leaked_test or n_crossing:
        return " ".join(found)
    return " ".join([_guarantee(manifest, duplicate_N, kinds, group_column), *found])


def _guarantee(manifest: Manifest, duplicate_N: IntArray, kinds: dict[str, int], group_column: str | None) -> str:
    nothing = _join([*(f"no {kind}" for kind in kinds), "no known duplicate"])
    files = {(group, photo.path) for group, photo in zip(duplicate_N.tolist(), manifest.photos, strict=True)}
    n_duplicates = sum(n > 1 for n in Counter(group for group, _ in files).values())
    counts = {**kinds, **({"group of duplicates": n_duplicates} if n_duplicates else {})}
    kept = _join([f"{n:,} {_plural(kind, n)}" for kind, n in counts.items()])
    were = "was" if list(counts.values()) == [1] else "were"
    without = sum(not photo.group for photo in manifest.photos) if _grouped(manifest) else 0
    unknown = f" ({_photos(without)} without a {group_column or 'group'})" if without else ""
    said = f"{nothing[0].upper()}{nothing[1:]} stands on both sides of the split{unknown}"
    return f"{said}; {kept} {were} kept together." if counts else f"{said}."


def _kinds(manifest: Manifest, group_column: str | None) -> dict[str, int]:
    """What else stays together beside duplicates, and how many there are of it."""
    kinds = {}
    if _grouped(manifest):
        kinds[group_column or "group"] = len({photo.group for photo in manifest.photos} - {""})
    objects = Counter(photo.path for photo in manifest.photos if photo.object)
    if objects:
        kinds[_FILE] = len(objects)
    return kinds


def _grouped(manifest: Manifest) -> bool:
    return any(photo.group for photo in manifest.photos)


def _another(kind: str) -> str:
    return "another object of the same file" if kind == _FILE else f"another photo of the same {kind}"


def _plural(noun: str, n: int) -> str:
    """The noun as it follows a number; a column may have any name, so that it gets no ending."""
    if noun == _FILE:
        return "file" if n == 1 else "files"
    if noun == "group of duplicates":
        return noun if n == 1 else "groups of duplicates"
    return f"value of {noun}" if n == 1 else f"values of {noun}"


def _join(texts: list[str]) -> str:
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def _photos(n: int) -> str:
    return "1 photo" if n == 1 else f"{n:,} photos"


def _have(n: int) -> str:
    return "has" if n == 1 else "have"
