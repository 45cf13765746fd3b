"""What is wrong with classes: their names, and how many photos they have."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence

from photograft.values import IntArray, Issue, Manifest

SMALL_CLASS = 20
"""Below this many photos, a class's own scores mean little."""

_IMBALANCE = 10
_NAMED = 10


def check_classes(manifest: Manifest, group_N: IntArray | None, needed_groups: int) -> Iterable[Issue]:
    """Issues of class names and sizes; arguments as those of `photograft.data.check.check`."""
    counts = dict.fromkeys(manifest.classes, 0)
    counts.update(Counter(label for photo in manifest.usable.photos for label in photo.all_labels))
    groups = _count_groups(manifest, group_N)
    for name in _emptied_by_edits(manifest, counts):  # on purpose: training goes on without them
        del counts[name]
    too_small = {name for name in counts if groups[name] < needed_groups}
    yield from _lookalike_names(manifest)
    yield from _too_small(too_small, counts, groups, needed_groups)
    small = {name: n for name, n in counts.items() if n < SMALL_CLASS and name not in too_small}
    if small:
        n_photos = f"{len(small)} classes have fewer than {SMALL_CLASS} photos"
        message = f"{n_photos}: {_list_sizes(small)}"
        if len(small) == 1:
            message = f"{next(iter(small))} has only {_photos(next(iter(small.values())))}"
        remedy = f"Collect at least {SMALL_CLASS} of each; scores of such a class are a guess until then."
        yield Issue("small_class", (), message, remedy)
    used = {name: n for name, n in counts.items() if n}
    if used and max(used.values()) > _IMBALANCE * min(used.values()):
        largest, smallest = max(used, key=lambda n: used[n]), min(used, key=lambda n: used[n])
        message = f"{largest} has {_photos(used[largest])}, {smallest} only {used[smallest]:,}"
        remedy = "Set train.balance to balanced if small classes matter as much as large ones."
        yield Issue("imbalance", (), message, remedy)


def _emptied_by_edits(manifest: Manifest, counts: dict[str, int]) -> set[str]:
    excluded = {label for photo in manifest.photos if photo.excluded for label in photo.all_labels}
    return {name for name in excluded if counts[name] == 0}


def _count_groups(manifest: Manifest, group_N: IntArray | None) -> dict[str, int]:
    """Number of different groups per class; without `group_N`, rows of one group or one file are one."""
    photos = manifest.usable.photos
    keys: Sequence[Hashable] = [(bool(p.group), p.group or p.path) for p in photos]
    if group_N is not None:
        keys = group_N.tolist()
    groups: dict[str, set[Hashable]] = defaultdict(set, {name: set() for name in manifest.classes})
    for photo, key in zip(photos, keys, strict=True):
        for label in photo.all_labels:
            groups[label].add(key)
    return {name: len(found) for name, found in groups.items()}


def _too_small(names: set[str], counts: dict[str, int], groups: dict[str, int], needed: int) -> Iterable[Issue]:
    if not names:
        return
    if len(names) == 1:
        (name,) = names
        has = _photos(counts[name]) if counts[name] else "no photo that can be used"
        if groups[name] < counts[name]:
            has += f" in {groups[name]:,} independent group{'' if groups[name] == 1 else 's'}"
        independent = "that are independent (no copies, nor of one person, video or file)"
        message = f"{name} has {has}, and the split needs {needed} photos {independent}"
    else:
        sizes = _list_sizes({name: groups[name] for name in sorted(names)})
        once = "copies, and photos of one person, video or file, count once"
        message = f"{sizes}: {len(names):,} classes have fewer photos than the {needed} that the split needs ({once})"
    remedy = "Add photos, merge with another class (data.rename), or leave out (data.classes)."
    yield Issue("class_too_small", (), message, remedy, must_fix=True)


def _lookalike_names(manifest: Manifest) -> Iterable[Issue]:
    alike: dict[str, list[str]] = defaultdict(list)
    for name in manifest.classes:
        alike[_plain(name)].append(name)
    for names in alike.values():
        if len(names) > 1:
            quoted = " and ".join(f'"{name}"' for name in names)
            spelling = "upper and lower case, spaces or underscores"
            if len({unicodedata.normalize("NFC", name) for name in names}) < len(names):
                spelling = "the Unicode form of the same letters"
            message = f"the classes {quoted} differ only in {spelling}"
            remedy = "Give them one name, or merge them with data.rename."
            yield Issue("lookalike_names", (), message, remedy, must_fix=True)


def _plain(name: str) -> str:
    """The name without what people overlook; spaces between digits stay, since 1 1 is not 11."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    return re.sub(r"[\s_]+", "", re.sub(r"(?<=\d)[\s_]+(?=\d)", "-", folded.strip()))


def _list_sizes(sizes: dict[str, int]) -> str:
    ordered = sorted(sizes, key=lambda name: sizes[name])
    listed = ", ".join(f"{name} ({sizes[name]})" for name in ordered[:_NAMED])
    return listed + (f" and {len(ordered) - _NAMED} more" if len(ordered) > _NAMED else "")


def _photos(n: int) -> str:
    return f"{n:,} photo{'' if n == 1 else 's'}"
