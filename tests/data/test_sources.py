from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from photograft.config.data import DataConfig
from photograft.config.labels import LabelsConfig
from photograft.data.files import open_files
from photograft.data.listing import Listing
from photograft.data.sources import list_source
from photograft.errors import ConfigError, DataError
from photograft.values import Annotation, Rect

NAMES = ("daisy/1.jpg", "daisy/2.jpg", "장미/1.jpg", "장미/2 3.png")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "내 사진"
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def write_table(path: Path, *, relative_to: str = "") -> Path:
    rows = [f"{relative_to}{name},{name.partition('/')[0]}" for name in NAMES]
    path.write_text("\n".join(("path,label", *rows)) + "\n", "utf-8")
    return path


def pack(root: Path, path: Path, *, top: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(root.rglob("*")):
            if file.is_file():
                archive.write(file, top + file.relative_to(root).as_posix())
    return path


def settings(*, boxes: Any = "none", box_choice: Any = "largest", **labels: Any) -> DataConfig:
    return DataConfig(boxes=boxes, box_choice=box_choice, labels=LabelsConfig(**labels))


def pairs(listing: Listing) -> list[tuple[str, str | None]]:
    return [(f.path, f.label) for f in listing.files]


EXPECTED = [(name, name.partition("/")[0]) for name in NAMES]


@pytest.mark.parametrize("form", ["folder", "archive", "csv", "jsonl", "json", "from", "pattern"])
def test_every_form_gives_the_same_listing(photos: Path, tmp_path: Path, form: str) -> None:
    source, labels = photos, {}
    rows = [{"image": name, "class": name.partition("/")[0]} for name in NAMES]
    if form == "archive":
        source = pack(photos, tmp_path / "a.zip")
    elif form == "csv":
        source = write_table(photos / "labels.csv")
    elif form == "jsonl":
        source = photos / "labels.jsonl"
        source.write_text("\n".join(map(json.dumps, rows)))
    elif form == "json":
        source = photos / "labels.json"
        source.write_text(json.dumps(rows))
    elif form == "from":
        labels = {"from": str(write_table(tmp_path / "beside.csv"))}
    elif form == "pattern":
        labels = {"pattern": "{label}/*"}
    listing = list_source(source, settings(**labels))
    assert pairs(listing) == EXPECTED
    assert listing.classes == ("daisy", "장미")
    assert listing.notes == ()
    with open_files(listing.root) as files:
        assert files.read(listing.files[3].path, max_file_mb=1)[0] == NAMES[3].encode()


@pytest.mark.parametrize("place", ["beside", "inside", "working directory", "absolute"])
@pytest.mark.parametrize("packed", [False, True])
def test_where_the_table_may_be(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, packed: bool
) -> None:
    folder = {"beside": tmp_path, "inside": photos}.get(place, tmp_path / "elsewhere")
    folder.mkdir(exist_ok=True)
    table = write_table(folder / "표.csv")
    if place == "working directory":
        monkeypatch.chdir(folder)
    source = pack(photos, tmp_path / "a.zip", top="photos/") if packed else photos
    name = str(table) if place == "absolute" else "표.csv"
    listing = list_source(source, settings(**{"from": name}))
    assert [label for _, label in pairs(listing)] == [label for _, label in EXPECTED]
    assert listing.root == source
    with pytest.raises(ConfigError, match=r"data\.labels\.from is 'none\.csv'.*looked for"):
        list_source(source, settings(**{"from": "none.csv"}))


def test_paths_may_be_relative_to_the_table_that_is_named_beside_the_photos(photos: Path, tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv", relative_to="내 사진/")
    listing = list_source(photos, settings(**{"from": str(table)}))
    assert pairs(listing) == [(f"../내 사진/{name}", label) for name, label in EXPECTED]


def test_paths_of_a_table_may_lead_out_of_its_folder(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    for start in ("../내 사진/", f"{photos.as_posix()}/"):
        listing = list_source(write_table(tmp_path / "tables" / "t.csv", relative_to=start), DataConfig())
        assert [label for _, label in pairs(listing)] == [label for _, label in EXPECTED]
        with open_files(listing.root) as files:
            assert files.read(listing.files[0].path, max_file_mb=1)[0] == NAMES[0].encode()


def test_boxes_of_a_table(photos: Path) -> None:
    table = photos / "boxes.csv"
    table.write_text("path,label,box\ndaisy/1.jpg,x,0 0 9 9\ndaisy/1.jpg,y,5 5 50 50\ndaisy/2.jpg,x,\n")
    by_largest = list_source(table, settings(boxes="csv"))
    assert pairs(by_largest) == [("daisy/1.jpg", "y"), ("daisy/2.jpg", "x")]
    listing = list_source(table, settings(boxes="csv", box_choice="each"))
    assert [(f.name, f.label) for f in listing.files] == [
        ("daisy/1.jpg#1", "x"),
        ("daisy/1.jpg#2", "y"),
        ("daisy/2.jpg", "x"),
    ]
    assert listing.files[1].annotation == Annotation((Rect(5, 5, 50, 50, "y"),), source=f"{table}:2")


def test_labels_that_come_from_annotations(photos: Path) -> None:
    classes = ("rose", "tulip")
    (photos / "classes.txt").write_text("\n".join(classes))
    for i, name in enumerate(NAMES):
        (photos / name).with_suffix(".txt").write_text(f"{i % 2} 0.5 0.5 0.2 0.4\n")
    listing = list_source(photos, settings(boxes="yolo", **{"from": "yolo"}))
    assert pairs(listing) == [(name, classes[i % 2]) for i, name in enumerate(NAMES)]
    assert all(f.annotation and f.annotation.relative for f in listing.files)


def test_parts_of_annotated_photos_are_folders_above_them(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "yolo"
    for part in ("train", "val"):
        for k in range(2):
            for kind, ending, content in (("images", "jpg", "x"), ("labels", "txt", f"{k} 0.5 0.5 0.2 0.4")):
                path = root / kind / part / f"{k}.{ending}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
    (root / "images" / "loose.jpg").write_bytes(b"x")
    (root / "data.yaml").write_text("names: [rose, tulip]\n")
    listing = list_source(root, settings(**{"from": "yolo"}))
    assert [(f.path, f.label, f.part) for f in listing.files] == [
        ("images/train/0.jpg", "rose", "train"),
        ("images/train/1.jpg", "tulip", "train"),
        ("images/val/0.jpg", "rose", "test"),
        ("images/val/1.jpg", "tulip", "test"),
    ]
    assert any("1 photos lie in no folder of a part" in note for note in listing.notes)


def test_classes_are_chosen_at_the_end(photos: Path) -> None:
    listing = list_source(photos, DataConfig(per_class=1), seed=3)
    assert Counter(f.label for f in listing.files) == {"daisy": 1, "장미": 1}
    assert listing == list_source(photos, DataConfig(per_class=1), seed=3)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (settings(**{"from": "pattern"}), "data.labels.pattern has to say which"),
        (settings(boxes="csv"), "data.boxes is csv, so PHOTOS or data.labels.from has to be a table"),
        (settings(group="person"), "data.labels.group names a column, but labels come from class folders"),
        (settings(pattern="{a"), "data.labels.pattern"),
    ],
)
def test_settings_that_do_not_fit_the_source(photos: Path, config: DataConfig, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        list_source(photos, config)


def test_a_table_excludes_other_sources_of_labels(photos: Path) -> None:
    table = write_table(photos / "labels.csv")
    for source in ("folders", "voc"):
        with pytest.raises(ConfigError, match=f"data.labels.from is {source}, but a table is given"):
            list_source(table, settings(**{"from": source}))
    with pytest.raises(ConfigError, match=r"report\.slices"):
        list_source(photos, DataConfig(), slices=("camera",))


def test_what_is_no_source(tmp_path: Path) -> None:
    for name in ("none", "none.csv"):
        with pytest.raises(DataError, match="does not exist"):
            list_source(tmp_path / name, DataConfig())
    for name, words in (("a.jpg", "neither a folder nor an archive"), ("a.csv", "no text")):
        (tmp_path / name).write_bytes(b"\xff\xd8\xff\xe0\0\0")
        with pytest.raises(DataError, match=words):
            list_source(tmp_path / name, DataConfig())
    (tmp_path / "coco.json").write_text('{"images": [], "annotations": [], "categories": []}')
    with pytest.raises(DataError, match=r"give the folder of the photos.*data\.annotations"):
        list_source(tmp_path / "coco.json", DataConfig())


def test_faces_of_eighteen_classes_by_person(shared_data: Path) -> None:
    config = settings(factors=("mask", "gender", "age"), group="person")
    for source in ({}, {"from": "labels.csv"}):
        root = shared_data / "faces18"
        own = config.model_copy(
            update={"labels": config.labels.model_copy(update={"from_": source.get("from", "auto")})}
        )
        listing = list_source(root if source else root / "labels.csv", own)
        assert len(listing.files) == 2750
        assert len(listing.classes) == 18
        assert len({f.group for f in listing.files}) == 550
        assert [name for name, _ in listing.files[0].values] == ["mask", "gender", "age"]


@pytest.mark.parametrize("folder", ["dogs", "dogs/Images"])
def test_the_layout_of_the_stanford_dogs(shared_data: Path, folder: str) -> None:
    listing = list_source(shared_data / folder, DataConfig())
    assert len(listing.files) == 377 and len(listing.classes) == 3
    assert any("beside which their annotations lie" in note for note in listing.notes) == (folder == "dogs")


@pytest.mark.skipif(os.name == "nt", reason="takes long there")
def test_dogs_in_an_archive_with_their_boxes(shared_data: Path, tmp_path: Path) -> None:
    packed = shutil.make_archive(str(tmp_path / "dogs"), "tar", shared_data, "dogs")
    config = settings(boxes="voc")
    from_folder = list_source(shared_data / "dogs", config)
    from_archive = list_source(Path(packed), config)
    assert [f"dogs/{f.path}" for f in from_folder.files] == [f.path for f in from_archive.files]
    assert [f.label for f in from_folder.files] == [f.label for f in from_archive.files]
    assert all(f.annotation for f in from_archive.files)


def test_a_pattern_without_a_label_on_a_flat_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "30_f_1.jpg").write_bytes(b"x")
    config = DataConfig(labels=LabelsConfig(pattern="{age}_{gender}_{id}.jpg"))
    with pytest.raises(DataError, match=r"names no label.*data\.labels\.column"):
        list_source(tmp_path, config)
