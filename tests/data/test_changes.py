"""What differs between the photos of two runs."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

from photograft.data.changes import DataChanges, Places, find_changes
from photograft.values import Manifest, Photo

LABELS = ("daisy", "노란 튤립")
PHOTOS = tuple(Photo(f"{LABELS[i % 2]}/{i}.jpg", LABELS[i % 2], sha256=f"sha{i}") for i in range(10))
PLACES: Places = {p.name: ("test", "") if i < 2 else ("train", str(i % 4)) for i, p in enumerate(PHOTOS)}


def changes(after: tuple[Photo, ...], places: Places = PLACES, before: tuple[Photo, ...] = PHOTOS) -> DataChanges:
    a, b = Manifest(Path("a"), before), Manifest(Path("b"), after)
    return find_changes(a, b, places_a=PLACES, places_b=places)


def test_the_same_photos_in_another_order_and_unicode_form_are_the_same() -> None:
    decomposed = tuple(
        replace(p, path=unicodedata.normalize("NFD", p.path), label=unicodedata.normalize("NFD", p.label or ""))
        for p in reversed(PHOTOS)
    )
    found = changes(decomposed, {unicodedata.normalize("NFD", name): place for name, place in PLACES.items()})
    assert found.same_photos
    assert found.same_split
    assert (found.n_a, found.n_b, found.shared, found.renamed, found.test) == (10, 10, 10, (), (2, 2, 2))
    assert found.classes == {"daisy": (5, 5), "노란 튤립": (5, 5)}


def test_photos_that_came_went_changed_or_moved() -> None:
    renamed = replace(PHOTOS[2], path="daisy/moved here.jpg")
    edited = replace(PHOTOS[4], sha256="other")
    found = changes((*PHOTOS[1:2], renamed, PHOTOS[3], edited, *PHOTOS[5:], Photo("daisy/x.jpg", "daisy", sha256="x")))
    assert (found.removed, found.added, found.replaced) == (("daisy/0.jpg",), ("daisy/x.jpg",), ("daisy/4.jpg",))
    assert found.renamed == (("daisy/2.jpg", "daisy/moved here.jpg"),)
    assert (found.n_a, found.n_b, found.shared) == (10, 10, 8)
    assert not found.same_photos


def test_photos_that_cannot_be_used_are_not_there() -> None:
    found = changes((replace(PHOTOS[0], excluded="edits.csv:2"), replace(PHOTOS[1], verdict="corrupt"), *PHOTOS[2:]))
    assert found.removed == ("daisy/0.jpg", "노란 튤립/1.jpg")


def test_relabelled_photos_are_told_apart_from_a_class_that_was_renamed() -> None:
    one = replace(PHOTOS[0], path="노란 튤립/0.jpg", label="노란 튤립")
    found = changes((one, *PHOTOS[1:]))
    assert found.relabelled == (("노란 튤립/0.jpg", "daisy", "노란 튤립"),)
    assert (found.renamed, found.renamed_classes) == ((), ())
    every = tuple(replace(p, label="Daisy" if p.label == "daisy" else p.label) for p in PHOTOS)
    found = changes(every)
    assert (found.renamed_classes, found.relabelled) == ((("daisy", "Daisy"),), ())
    assert not found.same_photos
    merged = tuple(replace(p, label="flower") for p in PHOTOS)
    assert len(changes(merged).relabelled) == 10


def test_copies_are_paired_by_name_and_label_first() -> None:
    twins = (Photo("a/1.jpg", "a", sha256="s"), Photo("b/1.jpg", "b", sha256="s"))
    assert changes(twins[::-1], before=twins).same_photos
    found = changes(twins[1:], before=twins)
    assert (found.removed, found.relabelled) == (("a/1.jpg",), ())


def test_several_labels_and_boxes() -> None:
    several = tuple(replace(p, label=None, labels=("b", "a")) for p in PHOTOS)
    turned = (replace(several[0], labels=("a",)), *(replace(p, labels=("a", "b")) for p in several[1:]))
    assert changes(turned, before=several).relabelled == (("daisy/0.jpg", "a, b", "a"),)
    boxed = (replace(PHOTOS[0], box=(0, 0, 5, 5)), *PHOTOS[1:])
    found = changes(boxed)
    assert (found.other_box, found.same_photos) == (("daisy/0.jpg",), False)


def test_parts_and_folds() -> None:
    swapped = {**PLACES, PHOTOS[0].name: ("train", "0"), PHOTOS[5].name: ("test", "")}
    found = changes(PHOTOS, swapped)
    assert found.moved == {("test", "train"): 1, ("train", "test"): 1}
    assert (found.test, found.refolded, found.same_split) == ((2, 2, 1), 0, False)
    renumbered = {name: (part, fold and str((int(fold) + 1) % 4)) for name, (part, fold) in PLACES.items()}
    assert changes(PHOTOS, renumbered).same_split
    apart = {**PLACES, PHOTOS[3].name: ("train", "0")}
    assert changes(PHOTOS, apart).refolded == 1
