from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from photograft.config.data import DataConfig
from photograft.data import folders
from photograft.data.files import open_files, printable
from photograft.data.listing import Listing
from photograft.errors import DataError

CONFIG = DataConfig()
links = pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
COMPOSED, DECOMPOSED = "\uac15\uc544\uc9c0", "\u1100\u1161\u11bc\u110b\u1161\u110c\u1175"


def grow(root: Path, *paths: str) -> Path:
    """Make files (never photos: nothing is opened here) and, for paths that end in a slash, folders."""
    for path in paths:
        target = root / path
        if path.endswith("/"):
            target.mkdir(parents=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(b"x")
    return root


def list_photos(root: Path, config: DataConfig, *, min_classes: int = 2) -> Listing:
    with open_files(root) as files:
        return folders.list_photos(files, config, min_classes=min_classes)


def list_files(root: Path, config: DataConfig) -> Listing:
    with open_files(root) as files:
        return folders.list_files(files, config)


def rows(listing: Listing) -> list[tuple[str, str | None, str | None]]:
    return [(f.path, f.label, f.part) for f in listing.files]


def test_one_folder_per_class_in_path_order_at_any_depth(tmp_path: Path) -> None:
    grow(tmp_path, "rose/b.jpg", "rose/2019/가을/a.jpg", "daisy/c d.png", "daisy/noextension", "daisy/raw.bin")
    listing = list_photos(tmp_path, CONFIG)
    assert rows(listing) == [
        ("daisy/c d.png", "daisy", None),
        ("daisy/noextension", "daisy", None),
        ("daisy/raw.bin", "daisy", None),
        ("rose/2019/가을/a.jpg", "rose", None),
        ("rose/b.jpg", "rose", None),
    ]
    assert listing.classes == ("daisy", "rose")
    assert listing.notes == ()


def test_hidden_and_system_names_are_no_classes_and_are_counted(tmp_path: Path) -> None:
    junk = ".DS_Store/x.jpg", "__MACOSX/rose/._a.jpg", ".ipynb_checkpoints/a.jpg", "@eaDir/a.jpg", "$RECYCLE.BIN/a.jpg"
    grow(tmp_path, *junk, "rose/a.jpg", "rose/._a.jpg", "rose/Thumbs.db", "daisy/desktop.ini", "daisy/b.jpg")
    listing = list_photos(tmp_path, CONFIG)
    assert [f.path for f in listing.files] == ["daisy/b.jpg", "rose/a.jpg"]
    assert listing.classes == ("daisy", "rose")
    assert listing.notes == ("left out without being read: 8 hidden or system files and folders",)


def test_documents_are_left_out_and_stray_files_reported(tmp_path: Path) -> None:
    grow(tmp_path, "rose/a.jpg", "daisy/b.JPG", "daisy/labels.CSV", "rose/clip.mp4", "lost.jpg", "README.md")
    listing = list_photos(tmp_path, CONFIG)
    assert [f.path for f in listing.files] == ["daisy/b.JPG", "rose/a.jpg"]
    assert listing.notes == (
        "not read, because they lie beside the class folders: 1 files (lost.jpg)",
        "left out without being read: 1 .csv files, 1 .md files, 1 .mp4 files",
    )


def test_annotations_that_are_read_are_not_said_to_be_left_out(tmp_path: Path) -> None:
    grow(tmp_path, "rose/a.jpg", "rose/a.xml", "daisy/b.jpg", "daisy/b.xml", "daisy/notes.txt")
    notes = list_photos(tmp_path, DataConfig(boxes="voc")).notes
    assert notes == ("left out without being read: 1 .txt files",)


def test_ignore_patterns_hit_names_and_paths(tmp_path: Path) -> None:
    grow(tmp_path, "rose/a.jpg", "rose/a_mask.png", "rose/old/b.jpg", "daisy/old/c.jpg", "masks/a.jpg")
    listing = list_photos(tmp_path, DataConfig(ignore=("masks", "*_mask.*", "rose/old")))
    assert [f.path for f in listing.files] == ["daisy/old/c.jpg", "rose/a.jpg"]


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (("Train", "VAL", "test"), ("train", "val", "test")),
        (("training", "validation", "testing"), ("train", "val", "test")),
        (("train", "valid"), ("train", "test")),
        (("train", "test"), ("train", "test")),
    ],
)
def test_part_folders(tmp_path: Path, names: tuple[str, ...], parts: tuple[str, ...]) -> None:
    for folder in names:
        grow(tmp_path, f"{folder}/rose/a.jpg", f"{folder}/daisy/b.jpg")
    grow(tmp_path, f"{names[0]}/stray.jpg", "stray.jpg")
    listing = list_photos(tmp_path, CONFIG)
    expected = [
        (f"{f}/{c}/{n}.jpg", c, p)
        for f, p in zip(names, parts, strict=True)
        for c, n in (("rose", "a"), ("daisy", "b"))
    ]
    assert rows(listing) == sorted(expected)
    assert listing.classes == ("daisy", "rose")
    said = any("the validation part is the test part" in note for note in listing.notes)
    assert said == (names == ("train", "valid"))
    assert any("stray.jpg" in note for note in listing.notes)


def test_a_single_part_folder_is_read_as_the_root(tmp_path: Path) -> None:
    grow(tmp_path, "train/rose/a.jpg", "train/daisy/b.jpg")
    listing = list_photos(tmp_path, CONFIG)
    assert rows(listing) == [("train/daisy/b.jpg", "daisy", None), ("train/rose/a.jpg", "rose", None)]
    assert "'train'" in listing.notes[0]


@pytest.mark.parametrize("parts", [False, True])
@pytest.mark.parametrize(
    "written", ["my run/config.resolved.yaml", "model/bundle.json", "runs/one/config.resolved.yaml"]
)
def test_runs_and_bundles_are_no_classes(tmp_path: Path, written: str, parts: bool) -> None:
    for folder in ("train/", "test/") if parts else ("",):
        grow(tmp_path, f"{folder}rose/a.jpg", f"{folder}daisy/b.jpg")
    grow(tmp_path, written, written.replace("/", "/golden/", 1))
    (tmp_path / written.split("/")[0] / "confusion.png").write_bytes(b"x")
    listing = list_photos(tmp_path, CONFIG)
    assert listing.classes == ("daisy", "rose") and len(listing.files) == (4 if parts else 2)
    if not parts:
        assert any("photograft wrote it" in note and written.split("/")[0] in note for note in listing.notes)


def test_a_class_may_be_called_runs(tmp_path: Path) -> None:
    grow(tmp_path, "runs/home.jpg", "catches/a.jpg")
    assert list_photos(tmp_path, CONFIG).classes == ("catches", "runs")


@pytest.mark.skipif(sys.platform != "linux", reason="only there may a name be any bytes")
def test_a_class_whose_name_is_no_utf8_is_refused_by_name(tmp_path: Path) -> None:
    grow(tmp_path, "plain/a.jpg")
    (tmp_path / os.fsdecode(b"caf\xe9")).mkdir()
    with pytest.raises(DataError, match=r"caf\\xe9 is not UTF-8.*rename"):
        list_photos(tmp_path, CONFIG)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    grow(tmp_path, "train/a.jpg", "bus/b.jpg")
    assert list_photos(tmp_path, CONFIG).classes == ("bus", "train")


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        ((), "nothing in it"),
        (("a.jpg", "b.jpg"), "no class folders in it, but 2 files"),
        (("rose/a.jpg",), "only 1 class folder ('rose', 1 files)"),
        (("rose/", "daisy/"), "2 class folders without any files"),
        (("train/rose/a.jpg", "test/rose/b.jpg", "labels/x/a.jpg"), "other folders beside them (labels)"),
        (("val/rose/a.jpg", "test/daisy/b.jpg"), "none for training"),
    ],
)
def test_other_layouts_are_errors_with_an_example(tmp_path: Path, paths: tuple[str, ...], words: str) -> None:
    with pytest.raises(DataError) as caught:
        list_photos(grow(tmp_path, *paths), CONFIG)
    assert words in str(caught.value)
    assert "photos/train/daisy/1.jpg" in str(caught.value)


def test_a_root_that_is_missing_or_a_file(tmp_path: Path) -> None:
    grow(tmp_path, "file.jpg")
    for listing in (list_photos, list_files):
        with pytest.raises(DataError, match="does not exist"):
            listing(tmp_path / "없음", CONFIG)
        with pytest.raises(DataError, match="is a file"):
            listing(tmp_path / "file.jpg", CONFIG)


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (("images/a.jpg", "labels.csv"), "There is a table, labels.csv: if it holds the labels"),
        (("JPEGImages/a.jpg", "Annotations/a.xml"), "There are annotations: .* set data.labels.from to voc"),
    ],
)
def test_other_places_of_labels_are_named(tmp_path: Path, paths: tuple[str, ...], words: str) -> None:
    with pytest.raises(DataError, match=words):
        list_photos(grow(tmp_path, *paths), CONFIG)


def test_photos_beside_their_annotations(tmp_path: Path) -> None:
    grow(tmp_path, "Images/rose/a.jpg", "Images/daisy/b.jpg", "Annotation/rose/a", "Annotation/daisy/b", "lists.mat")
    listing = list_photos(tmp_path, CONFIG)
    assert rows(listing) == [("Images/daisy/b.jpg", "daisy", None), ("Images/rose/a.jpg", "rose", None)]
    assert listing.notes == ("photos are read from Images, beside which their annotations lie",)
    with open_files(tmp_path) as files:
        assert len(folders.list_files(files, CONFIG).files) == 4
        assert rows(folders.list_files(files, CONFIG, annotated=True)) == [
            (path, None, None) for path, _, _ in rows(listing)
        ]


def test_an_empty_class_stays_known(tmp_path: Path) -> None:
    listing = list_photos(grow(tmp_path, "rose/a.jpg", "daisy/"), CONFIG)
    assert listing.classes == ("daisy", "rose")
    assert listing.notes == ("class folder 'daisy' holds no files",)


def test_one_class_is_enough_where_the_caller_says_so(tmp_path: Path) -> None:
    assert list_photos(grow(tmp_path, "rose/a.jpg"), CONFIG, min_classes=1).classes == ("rose",)


@pytest.mark.skipif(sys.platform == "darwin", reason="the file system decides how Hangul is stored")
def test_hangul_is_taken_as_it_is(tmp_path: Path) -> None:
    listing = list_photos(grow(tmp_path, f"{COMPOSED}/a.jpg", f"{DECOMPOSED}/b.jpg"), CONFIG)
    assert set(listing.classes) == {COMPOSED, DECOMPOSED}


@links
def test_links_are_followed_without_loops_and_without_pulling_in_other_classes(tmp_path: Path) -> None:
    grow(tmp_path, "photos/rose/a.jpg", "photos/daisy/b.jpg", "elsewhere/c.jpg", "elsewhere/deep/d.jpg")
    photos = tmp_path / "photos"
    (photos / "rose" / "up").symlink_to(photos, target_is_directory=True)
    (photos / "rose" / "other").symlink_to(photos / "daisy", target_is_directory=True)
    (photos / "tulip").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (photos / "daisy" / "link.jpg").symlink_to(photos / "daisy" / "b.jpg")
    (photos / "daisy" / "self.jpg").symlink_to(photos / "daisy" / "self.jpg")
    listing = list_photos(photos, CONFIG)
    assert rows(listing) == [
        ("daisy/b.jpg", "daisy", None),
        ("daisy/link.jpg", "daisy", None),
        ("daisy/self.jpg", "daisy", None),
        ("rose/a.jpg", "rose", None),
        ("tulip/c.jpg", "tulip", None),
        ("tulip/deep/d.jpg", "tulip", None),
    ]
    assert "links to folders met before" in listing.notes[-1]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux allows such names")
def test_names_that_are_no_utf8_survive(tmp_path: Path) -> None:
    grow(tmp_path, "rose/a.jpg", "daisy/line\nbreak.jpg")
    with open(os.fsencode(tmp_path) + b"/rose/\xb0\xa1.jpg", "wb") as file:
        file.write(b"x")
    listing = list_photos(tmp_path, CONFIG)
    assert all((tmp_path / f.path).is_file() for f in listing.files)
    shown = [printable(f.path) for f in listing.files]
    assert shown == ["daisy/line\\nbreak.jpg", "rose/a.jpg", "rose/\\xb0\\xa1.jpg"]
    "\n".join(shown).encode("utf-8")


def test_a_flat_listing_has_every_file_by_the_same_rules(tmp_path: Path) -> None:
    grow(tmp_path, "a.jpg", "b/c/d.png", "b/.hidden.jpg", "b/list.csv", "._a.jpg")
    listing = list_files(tmp_path, CONFIG)
    assert rows(listing) == [("a.jpg", None, None), ("b/c/d.png", None, None)]
    assert listing.classes == ()
