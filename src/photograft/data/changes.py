"""What differs between the photos of two runs: which there are, what they are labelled, and which part they stand in.

Photos are the same where their content is: a file that was moved or renamed is, one that was edited is not. Names and
labels that differ only in their Unicode form are the same.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from photograft.values import Manifest, Photo

Places = Mapping[str, tuple[str, str]]
"""Part and fold of photos by `Photo.name`; the fold is empty where there is none."""


@dataclass(frozen=True)
class DataChanges:
    """What became of the usable photos of `a` in `b`.

    `replaced` have their name but another content, and are neither `added` nor `removed`. `relabelled` are (name in b,
    labels before, labels after), without those of `renamed_classes`, whose photos all have another name together.
    `renamed` are (name in a, name in b) where the labels are the same. `moved` counts photos by (part before, part
    after), `refolded` those that are apart from the photos that they shared a fold with. `test` is how many photos the
    test parts have: in a, in b, in both. `classes` has the photos of each class, in a and in b.
    """

    n_a: int
    n_b: int
    shared: int
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    relabelled: tuple[tuple[str, str, str], ...] = ()
    renamed_classes: tuple[tuple[str, str], ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    other_box: tuple[str, ...] = ()
    moved: Mapping[tuple[str, str], int] = field(default_factory=dict)
    refolded: int = 0
    test: tuple[int, int, int] = (0, 0, 0)
    classes: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def same_photos(self) -> bool:
        """Whether both have the same photos with the same labels and boxes, whatever the files are called."""
        found = (self.added, self.removed, self.replaced, self.relabelled, self.renamed_classes, self.other_box)
        return not any(found)

    @property
    def same_split(self) -> bool:
        """Whether no photo that both have changed its part or fold."""
        return not self.moved and not self.refolded


def find_changes(a: Manifest, b: Manifest, *, places_a: Places, places_b: Places) -> DataChanges:
    """Compare the usable photos of two manifests, and where their splits put them."""
    photos_a, photos_b = a.usable.photos, b.usable.photos
    pairs, removed, added = _pair(photos_a, photos_b)
    names_added = {_form(photo.name) for photo in added}
    replaced = [photo.name for photo in removed if _form(photo.name) in names_added]
    gone = {_form(name) for name in replaced}
    relabelled = [(one, other) for one, other in pairs if _labels(one) != _labels(other)]
    n_a, n_b = (Counter(map(_labels, photos)) for photos in (photos_a, photos_b))
    classes = _renamed_classes(relabelled, n_a, n_b)
    places = [(places_a.get(one.name, ("", "")), places_b.get(other.name, ("", ""))) for one, other in pairs]
    test_a, test_b = (sum(place[0] == "test" for place in each.values()) for each in (places_a, places_b))
    return DataChanges(
        n_a=len(photos_a),
        n_b=len(photos_b),
        shared=len(pairs),
        added=tuple(photo.name for photo in added if _form(photo.name) not in gone),
        removed=tuple(photo.name for photo in removed if _form(photo.name) not in gone),
        replaced=tuple(replaced),
        relabelled=tuple(
            (other.name, _labels(one), _labels(other))
            for one, other in relabelled
            if (_labels(one), _labels(other)) not in classes
        ),
        renamed_classes=classes,
        renamed=tuple(
            (one.name, other.name)
            for one, other in pairs
            if _form(one.name) != _form(other.name) and _labels(one) == _labels(other)
        ),
        other_box=tuple(other.name for one, other in pairs if one.box != other.box),
        moved=dict(Counter((one[0], other[0]) for one, other in places if one[0] != other[0])),
        refolded=_refolded([(one[1], other[1]) for one, other in places if one[1] and other[1]]),
        test=(test_a, test_b, sum(one[0] == other[0] == "test" for one, other in places)),
        classes=_counts(photos_a, photos_b),
    )


def _pair(a: Sequence[Photo], b: Sequence[Photo]) -> tuple[list[tuple[Photo, Photo]], list[Photo], list[Photo]]:
    """Photos of a and b with the same content, then those of a and of b that have no such partner.

    Of several copies those with the same name belong together, then those with the same labels, then any.
    """
    left: dict[tuple[str, int], list[Photo]] = defaultdict(list)
    for photo in b:
        left[photo.sha256, photo.object].append(photo)
    partner: dict[int, Photo] = {}
    for alike in (lambda p: (_form(p.name), _labels(p)), lambda p: _form(p.name), _labels, lambda p: None):
        for row, photo in enumerate(a):
            copies = left.get((photo.sha256, photo.object))
            if row in partner or not copies:
                continue
            found = next((i for i, copy in enumerate(copies) if alike(copy) == alike(photo)), None)
            if found is not None:
                partner[row] = copies.pop(found)
    kept = {id(photo) for copies in left.values() for photo in copies}
    return (
        [(a[row], partner[row]) for row in sorted(partner)],
        [photo for row, photo in enumerate(a) if row not in partner],
        [photo for photo in b if id(photo) in kept],
    )


def _labels(photo: Photo) -> str:
    """The labels as one text, in one Unicode form."""
    return ", ".join(sorted(map(_form, photo.all_labels)))


def _form(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _renamed_classes(
    relabelled: Sequence[tuple[Photo, Photo]], n_a: Mapping[str, int], n_b: Mapping[str, int]
) -> tuple[tuple[str, str], ...]:
    """Labels of a that all their photos lost together, for a name that a does not have."""
    after: dict[str, Counter[str]] = defaultdict(Counter)
    for one, other in relabelled:
        after[_labels(one)][_labels(other)] += 1
    one_name = ((old, next(iter(new))) for old, new in after.items() if len(new) == 1)
    found = [(old, new) for old, new in one_name if old not in n_b and new not in n_a]
    merged = Counter(new for _, new in found)
    return tuple(sorted((old, new) for old, new in found if merged[new] == 1))


def _refolded(folds: Iterable[tuple[str, str]]) -> int:
    """Photos apart from the photos that they shared a fold with; folds may have changed their numbers."""
    both = Counter(folds)
    total = sum(both.values())
    taken_a, taken_b, together = set(), set(), 0
    for (a, b), n in both.most_common():
        if a not in taken_a and b not in taken_b:
            taken_a.add(a)
            taken_b.add(b)
            together += n
    return total - together


def _counts(a: Sequence[Photo], b: Sequence[Photo]) -> dict[str, tuple[int, int]]:
    n_a, n_b = (Counter(_form(label) for photo in photos for label in photo.all_labels) for photos in (a, b))
    return {name: (n_a[name], n_b[name]) for name in sorted({*n_a, *n_b})}
