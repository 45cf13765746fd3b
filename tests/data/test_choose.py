from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from photograft.config.data import DataConfig
from photograft.data.choose import choose
from photograft.data.listing import Found, Listing
from photograft.errors import ConfigError, DataError

SIZES = {"daisy": 5, "rose": 9, "tulip": 5, "장미": 2}


def make_listing(sizes: dict[str, int] = SIZES) -> Listing:
    files = tuple(Found(f"{name}/{i}.jpg", name) for name, n in sorted(sizes.items()) for i in range(n))
    return Listing(Path("photos"), files, tuple(sorted(sizes)))


def count(listing: Listing) -> dict[str | None, int]:
    labels = [f.label for f in listing.files]
    return {name: labels.count(name) for name in listing.classes}


def mapping(tmp_path: Path, *lines: str) -> DataConfig:
    (tmp_path / "rename.csv").write_text("\n".join(("from,to", *lines)) + "\n", "utf-8")
    return DataConfig(rename=tmp_path / "rename.csv")


def test_nothing_asked_nothing_changed() -> None:
    assert choose(make_listing(), DataConfig(), seed=0) == make_listing()


def test_classes_by_name_in_any_unicode_form() -> None:
    wanted = ("rose", unicodedata.normalize("NFD", "장미"))
    listing = choose(make_listing(), DataConfig(classes=wanted), seed=0)
    assert count(listing) == {"rose": 9, "장미": 2}
    assert listing.notes == ("left out: 10 photos of 2 classes not among data.classes (daisy, tulip)",)
    with pytest.raises(ConfigError, match=r"data.classes names 'rosa'.*did you mean 'rose'\?.*daisy, rose, tulip"):
        choose(make_listing(), DataConfig(classes=("rosa", "daisy")), seed=0)


def test_the_largest_classes_ties_by_name() -> None:
    listing = choose(make_listing(), DataConfig(top_classes=2), seed=0)
    assert count(listing) == {"daisy": 5, "rose": 9}
    assert len(choose(make_listing(), DataConfig(top_classes=9), seed=0).files) == 21


def test_a_balanced_draw_is_seeded_and_hardly_changes_when_photos_come_in() -> None:
    config = DataConfig(per_class=4)
    drawn = choose(make_listing(), config, seed=0)
    assert count(drawn) == {"daisy": 4, "rose": 4, "tulip": 4, "장미": 2}
    assert drawn.notes == ("14 of 21 photos are used, at most 4 of each class (data.per_class)",)
    assert choose(make_listing(), config, seed=0) == drawn
    assert choose(make_listing(), config, seed=1) != drawn
    more = choose(make_listing(SIZES | {"rose": 10}), config, seed=0)
    assert len({f.name for f in drawn.files} & {f.name for f in more.files}) >= 13


def test_a_draw_takes_as_many_of_each_given_part() -> None:
    files = tuple(Found(f"{p}/{c}/{i}.jpg", c, p) for p in ("train", "test") for c in "ab" for i in range(6))
    drawn = choose(Listing(Path("x"), files, ("a", "b")), DataConfig(per_class=2), seed=0)
    keys = [(f.part, f.label) for f in drawn.files]
    assert {key: keys.count(key) for key in keys} == {(p, c): 2 for p in ("train", "test") for c in "ab"}


def test_classes_are_renamed_merged_and_left_out(tmp_path: Path) -> None:
    nfd = unicodedata.normalize("NFD", "장미")
    config = mapping(tmp_path, f"{nfd},rose", "daisy,Bellis", "tulip,")
    listing = choose(make_listing(), config, seed=0)
    assert count(listing) == {"Bellis": 5, "rose": 11}
    assert "merged into 'rose': 'rose', '장미'" in listing.notes
    assert "left out: 5 photos of 1 classes without a new name in data.rename (tulip)" in listing.notes


def test_classes_may_swap_their_names(tmp_path: Path) -> None:
    listing = choose(make_listing(), mapping(tmp_path, "daisy,rose", "rose,daisy"), seed=0)
    assert count(listing) == {"daisy": 9, "rose": 5, "tulip": 5, "장미": 2}


def test_problems_of_the_mapping_come_with_their_lines(tmp_path: Path) -> None:
    config = mapping(tmp_path, "dasy,x", "rose,x", "rose,y", ",z")
    with pytest.raises(DataError) as caught:
        choose(make_listing(), config, seed=0)
    lines = [line.partition("rename.csv:")[2] for line in str(caught.value).splitlines()[1:]]
    assert lines == [
        "2: there is no class 'dasy' (did you mean 'daisy'?)",
        "4: class 'rose' gets a second name, 'y' beside 'x'",
        "5: the name in column 'from' is empty",
    ]
    (tmp_path / "rename.csv").write_text("old,new\nrose,x\n")
    with pytest.raises(DataError, match="needs the columns `from` and `to`; it has: old, new"):
        choose(make_listing(), config, seed=0)


def test_several_labels(tmp_path: Path) -> None:
    files = (Found("1.jpg", labels=("a", "b")), Found("2.jpg", labels=("c",)), Found("3.jpg", labels=("b", "c")))
    listing = Listing(Path("x"), files, ("a", "b", "c"))
    chosen = choose(listing, DataConfig(classes=("a", "b")), seed=0)
    assert [f.labels for f in chosen.files] == [("a", "b"), ("b",)]
    renamed = choose(listing, mapping(tmp_path, "a,b"), seed=0)
    assert [f.labels for f in renamed.files] == [("b",), ("c",), ("b", "c")]
    assert len(choose(listing, DataConfig(per_class=1), seed=0).files) in (2, 3)


def test_too_few_classes_left(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"9 photos of 1 classes \(rose\), and at least 2(.|\n)*left out: 12"):
        choose(make_listing(), DataConfig(classes=("rose",)), seed=0)
    assert count(choose(make_listing(), DataConfig(classes=("rose",)), seed=0, min_classes=1)) == {"rose": 9}
    with pytest.raises(DataError, match="0 photos"):
        choose(make_listing(), mapping(tmp_path, *(f"{name}," for name in SIZES)), seed=0, min_classes=1)
