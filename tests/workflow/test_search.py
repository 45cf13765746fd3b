"""Indexes of photos: made, kept up to date, asked and damaged."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from tests.conftest import CLASSES, draw_photo_folder
from tests.workflow.indexes import files_of, state

import photograft
from photograft.errors import ConfigError, DataError, ImageRejected, IntegrityError, ModelError
from photograft.retrieval.store import read_stored, writing
from photograft.retrieval.thumbnails import thumbnail_files
from photograft.workflow.search import PhotoIndex, open_index
from photograft.workflow.search_build import add_photos, build_index, remove_photos, update_index
from photograft.workflow.train import TrainedRun

TULIP, SUN, DAISY = CLASSES


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty photos of two classes; copy it to change it."""
    return draw_photo_folder(tmp_path_factory.mktemp("shop") / "가게 shop", classes=CLASSES[:2], n=20)


@pytest.fixture(scope="module")
def made(shop: Path, tiny_run: TrainedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of `shop`; copy it to change it."""
    index = tmp_path_factory.mktemp("made") / "색인"
    build_index(tiny_run.run, [shop], index)
    return index


@pytest.fixture
def photos(shop: Path, tmp_path: Path) -> Iterator[Path]:
    """The shop to change: it is put back afterwards, where `made` knows it."""
    kept = shutil.copytree(shop, tmp_path / "kept")
    yield shop
    shutil.rmtree(shop)
    shutil.move(kept, shop)


@pytest.fixture
def index(photos: Path, made: Path, tmp_path: Path) -> Path:
    """An index of `photos` to change."""
    return Path(shutil.copytree(made, tmp_path / "my index"))


@pytest.fixture(scope="module")
def opened(made: Path) -> Iterator[PhotoIndex]:
    with open_index(made) as index:
        yield index


# ------------------------------------------------------------------ asked


def test_a_photo_of_the_index_finds_itself_and_then_its_class(opened: PhotoIndex, shop: Path) -> None:
    matches = opened.query(shop / TULIP / f"{TULIP} 03.jpg", top=8)
    assert matches[0].path == f"{TULIP}/{TULIP} 03.jpg" and matches[0].kind == "the same file"
    assert matches[0].similarity == pytest.approx(1, abs=1e-4) and matches[0].label == TULIP
    assert [match.similarity for match in matches] == sorted((m.similarity for m in matches), reverse=True)
    assert sum(match.label == TULIP for match in matches) >= 6
    assert matches[0].same is None  # of the same file nothing needs to be guessed
    assert all(match.same is not None and 0 <= match.same <= 1 for match in matches if not match.kind)
    assert opened.n == len(opened) == 40 and opened.classes == tuple(sorted(CLASSES[:2]))


def test_bytes_images_and_arrays_are_asked_alike(opened: PhotoIndex, shop: Path) -> None:
    file = shop / SUN / f"{SUN} 04.png"
    expected = [match.id for match in opened.query(file, top=5)]
    with Image.open(file) as image:
        image.load()
        for photo in (file.read_bytes(), str(file), image, np.asarray(image)):
            assert [match.id for match in opened.query(photo, top=5)] == expected
    with pytest.raises(ImageRejected):
        opened.query(b"no photo")
    with pytest.raises(ImageRejected):
        opened.query(shop / "nothing.jpg")


def test_filters_by_label_and_folder_in_either_form_of_unicode(opened: PhotoIndex, shop: Path) -> None:
    photo = shop / TULIP / f"{TULIP} 00.jpg"
    other = opened.query(photo, label=SUN, top=50)
    assert len(other) == 20 and {match.label for match in other} == {SUN}
    for name in (TULIP, unicodedata.normalize("NFD", TULIP)):
        assert {match.label for match in opened.query(photo, label=name, top=50)} == {TULIP}
        assert len(opened.query(photo, folder=f"{name}/", top=50)) == 20
    with pytest.raises(ConfigError, match="has the label 'rose'; its labels are"):
        opened.query(photo, label="rose")
    with pytest.raises(ConfigError, match=f"a path in 'sun'; its folders are: .*{TULIP}"):
        opened.query(photo, folder="sun")


def test_copies_are_found_by_hash_and_network(opened: PhotoIndex, shop: Path, tmp_path: Path) -> None:
    with Image.open(shop / SUN / f"{SUN} 07.jpg") as image:
        image.save(tmp_path / "same.png")
        ImageOps.mirror(image).resize((128, 96)).save(tmp_path / "mirrored.jpg", quality=90)
        image.rotate(90, expand=True).save(tmp_path / "turned.png")
    Image.new("RGB", (64, 48), "red").save(tmp_path / "other.png")
    found = {name: opened.copies(opened.look(tmp_path / name)) for name in sorted(os.listdir(tmp_path))}
    assert found["other.png"] == []
    kinds = {name: [(match.path, match.kind) for match in matches] for name, matches in found.items() if matches}
    path = f"{SUN}/{SUN} 07.jpg"
    assert kinds["same.png"] == [(path, "the same picture")]
    assert kinds["mirrored.jpg"] == [(path, "nearly the same picture, mirrored")]
    assert kinds["turned.png"] == [(path, "nearly the same picture, rotated by 90 degrees")]


def test_embeddings_of_the_bundle_can_be_asked_with(opened: PhotoIndex, tiny_run: TrainedRun, shop: Path) -> None:
    with photograft.load(tiny_run.bundle) as model:
        assert opened.reads(model.bundle)
        network = opened.network_of(model.bundle)
        assert network is not None
        file = shop / TULIP / f"{TULIP} 05.jpg"
        pixels = model.decode(file.read_bytes())
        embedding_1D = model.embed({name: each[None] for name, each in pixels.items()})[network]
    asked = opened.query(file, top=5)
    answered = opened.nearest(embedding_1D[0], top=5)
    assert [match.id for match in answered] == [match.id for match in asked]
    np.testing.assert_allclose([m.similarity for m in answered], [m.similarity for m in asked], atol=1e-4)
    with pytest.raises(ConfigError, match="not one of the index's network"):
        opened.nearest(embedding_1D[0][:5])


def test_ids_give_thumbnails_and_say_nothing(opened: PhotoIndex, shop: Path) -> None:
    match = opened.query(shop / TULIP / f"{TULIP} 01.jpg", top=1)[0]
    jpeg = opened.thumbnail(match.id)
    assert jpeg is not None and jpeg.startswith(b"\xff\xd8") and b"Exif" not in jpeg
    for other in ("0" * 16, "../index.json", "", match.path):
        assert opened.thumbnail(other) is None


def test_many_threads_ask_one_index(opened: PhotoIndex, shop: Path) -> None:
    files = sorted((shop / SUN).iterdir())[:6]
    found: dict[int, str] = {}

    def ask(n: int) -> None:
        found[n] = opened.query(files[n], top=1, label=SUN)[0].path

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: f"{SUN}/{file.name}" for n, file in enumerate(files)}


def test_an_index_answers_alone_on_another_machine(
    made: Path, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(made, tmp_path / "elsewhere")
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(tmp_path / "no cache"))
    code = (
        "import sys\n"
        "class No:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'timm', 'torchvision'): raise ImportError(name)\n"
        "sys.meta_path.insert(0, No())\n"
        "import photograft\n"
        "with photograft.open_index('elsewhere') as index: print(index.query(sys.argv[1], top=1)[0].kind)\n"
    )
    photo = str(shop / SUN / f"{SUN} 02.jpg")
    done = subprocess.run([sys.executable, "-c", code, photo], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "the same file" and not (tmp_path / "no cache").exists()


# ------------------------------------------------------------------ kept up to date


def test_a_second_build_computes_nothing(index: Path, photos: Path, tiny_run: TrainedRun) -> None:
    before = state(index)
    large = [name for name in files_of(index) if name.endswith((".npy", ".pack", ".onnx"))]
    written = {name: (index / name).stat().st_mtime_ns for name in large}
    again = build_index(tiny_run.run, [photos], index)
    assert (again.computed, again.unchanged, again.added) == (0, 40, 0)
    assert state(index) == before
    assert written == {name: (index / name).stat().st_mtime_ns for name in written}


def test_an_update_recognises_what_became_of_files(index: Path, photos: Path, tmp_path: Path) -> None:
    before = state(index)
    with open_index(index) as opened:
        ids = {match.path: match.id for match in opened.query(photos / TULIP / f"{TULIP} 00.jpg", top=40)}
    (photos / "moved").mkdir()
    (photos / TULIP / f"{TULIP} 00.jpg").rename(photos / "moved" / "새 이름.jpg")
    shutil.copy(photos / TULIP / f"{TULIP} 01.jpg", photos / SUN / "copy.jpg")
    (photos / TULIP / f"{TULIP} 02.jpg").unlink()
    shutil.copy(photos / SUN / f"{SUN} 04.png", photos / SUN / f"{SUN} 09.png")
    more = draw_photo_folder(tmp_path / "more", classes=[DAISY], n=1, seed=5)
    shutil.move(more / DAISY / f"{DAISY} 00.jpg", photos / SUN / "new.jpg")
    change = update_index(index)
    assert (change.moved, change.copies, change.removed, change.changed, change.added) == (1, 1, 1, 1, 1)
    assert change.computed == 1 and change.unchanged == 37 and change.files == 41
    after = state(index)
    assert after["moved/새 이름.jpg"] == before[f"{TULIP}/{TULIP} 00.jpg"]
    with open_index(index) as opened:
        moved = opened.query(photos / "moved" / "새 이름.jpg", top=1)[0]
        assert moved.id == ids[f"{TULIP}/{TULIP} 00.jpg"] and moved.label == "moved"
        twice = opened.query(photos / TULIP / f"{TULIP} 01.jpg", top=2)
        assert {twice[0].path, *twice[0].others} == {f"{TULIP}/{TULIP} 01.jpg", f"{SUN}/copy.jpg"}
        assert twice[1].id != twice[0].id
        assert opened.query(photos / SUN / "copy.jpg", top=1, label=SUN)[0].path == f"{SUN}/copy.jpg"


def test_removed_photos_stay_away_until_they_are_added(index: Path, photos: Path) -> None:
    path = f"{TULIP}/{TULIP} 00.jpg"
    whole = {file.name: file.read_bytes() for file in thumbnail_files(index)}
    change = remove_photos(index, [path, photos / SUN])
    assert change.removed == 21 and change.photos == 19 and path not in state(index)
    with open_index(index) as opened:
        jpeg_gone = len(b"".join(file.read_bytes() for file in thumbnail_files(index)))
        assert jpeg_gone < sum(map(len, whole.values())) and opened.n == 19
    (photos / path).rename(photos / TULIP / "hidden again.jpg")
    assert update_index(index).photos == 19
    back = add_photos(index, [photos / TULIP / "hidden again.jpg"])
    assert (back.added, back.photos) == (1, 20)
    assert add_photos(index, [photos]).photos == 40
    assert update_index(index).photos == 40
    with pytest.raises(DataError, match="holds no such photo"):
        remove_photos(index, ["nothing.jpg"])


def answers(index: Path, photo: Path) -> list[tuple[str, float, float | None]]:
    with open_index(index) as opened:
        return [(match.id, match.similarity, match.same) for match in opened.query(photo, top=50)]


def check_alike(index: Path, other: Path, photo: Path) -> None:
    """Two copies of an index answer alike, one of them without what follows from its files."""
    shutil.copytree(index, other)
    shutil.rmtree(other / "derived")
    for here, there in zip(answers(index, photo), answers(other, photo), strict=True):
        assert here[0] == there[0] and here[1:] == pytest.approx(there[1:], abs=1e-6)


def test_copies_of_an_index_answer_alike_whatever_was_derived_before(index: Path, photos: Path, tmp_path: Path) -> None:
    photo = photos / TULIP / f"{TULIP} 00.jpg"
    first = read_stored(index).info.directions
    assert first is not None and (first.n, first.changed) == (40, 0)
    folder = draw_photo_folder(tmp_path / "more", classes=[DAISY], n=12, seed=5) / DAISY
    add_photos(index, sorted(folder.iterdir())[:3])
    kept = read_stored(index).info.directions
    assert kept is not None and (kept.file, kept.sha256, kept.changed) == (first.file, first.sha256, 3)
    check_alike(index, tmp_path / "few", photo)
    add_photos(index, [folder])
    anew = read_stored(index).info.directions
    assert anew is not None and (anew.n, anew.changed) == (52, 0) and anew.sha256 != first.sha256
    assert [file.name for file in index.glob("directions-*")] == [anew.file]
    check_alike(index, tmp_path / "many", photo)


def test_an_index_without_directions_opens_and_gets_them_with_the_next_change(
    index: Path, photos: Path, tmp_path: Path
) -> None:
    photo, info = photos / SUN / f"{SUN} 00.jpg", read_stored(index).info
    assert info.directions is not None
    expected = answers(index, photo)
    (index / info.directions.file).unlink()
    stated = json.loads((index / "index.json").read_bytes())["index"]
    del stated["directions"]
    seal = hashlib.sha256(json.dumps(stated, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    (index / "index.json").write_text(json.dumps({"format": 1, "index": stated, "sha256": seal}), "utf-8")
    assert read_stored(index).info.directions is None
    assert answers(index, photo) == expected
    check_alike(index, tmp_path / "copy", photo)
    update_index(index)
    made = read_stored(index).info.directions
    assert made is not None and made.sha256 == info.directions.sha256 and answers(index, photo) == expected


@pytest.mark.slow
def test_a_copy_of_a_removed_file_stays(index: Path, photos: Path) -> None:
    shutil.copytree(photos / TULIP, photos / "old")
    update_index(index)
    assert remove_photos(index, ["old"]).photos == 40
    assert update_index(index).files == 40
    assert set(state(index)) == {f"{name}/{file.name}" for name in CLASSES[:2] for file in (photos / name).iterdir()}


@pytest.mark.slow
def test_several_sources_files_and_tables(photos: Path, tiny_run: TrainedRun, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    (tmp_path / "flat").mkdir()
    for n, file in enumerate(sorted((photos / SUN).iterdir())[:4]):
        shutil.copy(file, tmp_path / "flat" / f"{n}{file.suffix}")
    table.write_text("path,label\nflat/0.jpg,빨강\nflat/1.jpg,파랑\n", "utf-8")
    single = photos / TULIP / f"{TULIP} 00.jpg"
    index = tmp_path / "index"
    change = build_index(tiny_run.run, [tmp_path / "flat", single], index)
    assert (change.photos, change.labelled) == (5, 0) and change.same is None
    change = add_photos(index, [table, photos / TULIP / f"{TULIP} 01.jpg", photos / TULIP / f"{TULIP} 02.jpg"])
    assert (change.photos, change.files, change.classes) == (7, 9, ("빨강", "파랑"))
    with open_index(index) as opened:
        assert [source.files for source in opened.info.sources] == [
            None, (f"{TULIP} 00.jpg", f"{TULIP} 01.jpg", f"{TULIP} 02.jpg"), None,
        ]  # fmt: skip
        assert opened.query(tmp_path / "flat" / "1.jpg", top=1, label="파랑")[0].path == "flat/1.jpg"
    single.unlink()
    assert update_index(index).photos == 6
    assert remove_photos(index, [table]).files == 6
    shutil.rmtree(tmp_path / "flat")
    with pytest.raises(DataError, match="connect the drive"):
        update_index(index)
    assert read_stored(index).info.n_vectors == 6


@pytest.mark.slow
def test_a_folder_takes_over_what_was_indexed_of_it(photos: Path, tiny_run: TrainedRun, tmp_path: Path) -> None:
    index = tmp_path / "index"
    build_index(tiny_run.run, [photos / TULIP, photos / SUN / f"{SUN} 00.jpg"], index)
    change = add_photos(index, [photos])
    assert (change.photos, change.files, change.added, change.unchanged) == (40, 40, 19, 21)
    assert [source.path for source in read_stored(index).info.sources] == [str(photos)]
    assert build_index(tiny_run.run, [photos / TULIP, photos, photos / SUN], index).unchanged == 40


def test_a_folder_takes_over_files_that_were_named_of_it(tiny_run: TrainedRun, tmp_path: Path) -> None:
    folder = draw_photo_folder(tmp_path / "few", classes=[SUN], n=3) / SUN
    index, first = tmp_path / "index", folder / f"{SUN} 00.jpg"
    alone = build_index(tiny_run.run, [first], index)
    assert alone.lines()[0].endswith(": 1 photo in 1 file")
    change = add_photos(index, [folder])
    assert (change.files, change.added, change.unchanged) == (3, 2, 1)
    assert [source.files for source in read_stored(index).info.sources] == [None]
    assert build_index(tiny_run.run, [first, folder], index).files == 3


@pytest.mark.slow
def test_photos_without_labels_are_compared_without_a_probability(
    photos: Path, tiny_run: TrainedRun, tmp_path: Path
) -> None:
    change = build_index(tiny_run.run, [photos], tmp_path / "index", labels=False)
    assert change.same is None and change.classes == () and change.labelled == 0
    with open_index(tmp_path / "index") as opened:
        match = opened.query(photos / SUN / f"{SUN} 00.jpg", top=1)[0]
        assert match.same is None and match.label is None


@pytest.mark.slow
def test_bad_files_are_named_and_too_many_stop_the_build(index: Path, photos: Path, tiny_run: TrainedRun) -> None:
    before = state(index)
    for name in ("empty.jpg", "붉은 장미.jpg"):
        (photos / SUN / name).write_bytes(b"" if name == "empty.jpg" else b"\xff\xd8\xff damaged")
    odd = os.fsencode(photos / SUN) + b"/odd \xff.jpg"
    Path(os.fsdecode(odd)).write_bytes((photos / TULIP / f"{TULIP} 00.jpg").read_bytes())
    change = update_index(index)
    assert {each.path: each.verdict for each in change.rejected}[f"{SUN}/empty.jpg"] == "empty"
    assert len(change.rejected) == 2 and change.copies == 1
    assert "empty.jpg: empty" in "\n".join(change.lines()) and change.to_json()["files"] == 41
    for n in range(3):
        (photos / SUN / f"bad {n}.jpg").write_bytes(b"bad")
    before = state(index)
    with pytest.raises(DataError, match="files cannot be used"):
        update_index(index)
    with pytest.raises(DataError, match="files cannot be used"):
        build_index(tiny_run.run, [photos], index)
    assert state(index) == before


# ------------------------------------------------------------------ refused, damaged, killed


@pytest.mark.slow
def test_another_model_embeds_anew_and_is_refused_for_asking(index: Path, photos: Path, tiny_run: TrainedRun) -> None:
    old = read_stored(index).info
    change = build_index("efficientnet-lite0", [photos], index, px=96)
    new = read_stored(index).info
    assert change.photos == 40 and new.network.key != old.network.key and new.network.contract.px == 96
    assert sorted(file.name for file in index.glob("network-*")) == [new.network.file.file]
    with pytest.raises(ModelError, match="made with another network"):
        open_index(index, tiny_run.run)
    state(index)
    with pytest.raises(ConfigError, match="leave --px away"):
        build_index(tiny_run.run, [photos], index, px=96)


def test_what_is_no_index_is_refused(photos: Path, tiny_run: TrainedRun, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no such folder"):
        open_index(tmp_path / "nothing")
    with pytest.raises(ModelError, match=r"holds no index\.json"):
        update_index(photos)
    assert not (photos / ".lock").exists()
    with pytest.raises(ConfigError, match="holds other files"):
        build_index(tiny_run.run, [photos], tmp_path)
    with pytest.raises(ConfigError, match="lies inside the folder of photos"):
        build_index(tiny_run.run, [photos], photos / "index")
    with pytest.raises(DataError, match="does not exist"):
        build_index(tiny_run.run, [photos / "nothing"], tmp_path / "index")
    with pytest.raises(ModelError, match="no run, no bundle and no backbone"):
        build_index("nothing", [photos], tmp_path / "index")
    assert not (tmp_path / "index").exists()


def test_a_folder_without_photos_is_named(tiny_run: TrainedRun, tmp_path: Path) -> None:
    (tmp_path / "빈 폴더").mkdir()
    with pytest.raises(DataError, match="빈 폴더: no photos in it"):
        build_index(tiny_run.run, [tmp_path / "빈 폴더"], tmp_path / "index")


def test_two_writers_do_not_meet(index: Path) -> None:
    with writing(index), pytest.raises(ConfigError, match="Another process is writing"):
        update_index(index)
    update_index(index)


@pytest.mark.parametrize(
    "kind",
    [
        "rows-*.jsonl",
        "directions-*.safetensors",
        pytest.param("vectors-*.npy", marks=pytest.mark.slow),
        pytest.param("network-*.onnx", marks=pytest.mark.slow),
        pytest.param("index.json", marks=pytest.mark.slow),
    ],
)
def test_damage_is_reported_by_name_and_mended_by_build(
    kind: str, index: Path, photos: Path, tiny_run: TrainedRun
) -> None:
    (file,) = index.glob(kind)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.unlink()  # the network may be a hard link
    file.write_bytes(content)
    photo = photos / SUN / f"{SUN} 00.jpg"

    def use() -> None:
        shutil.rmtree(index / "derived", ignore_errors=True)
        with open_index(index) as opened:
            opened.query(photo)

    with pytest.raises(IntegrityError, match=file.name):
        use()
    file.unlink()
    with pytest.raises(ModelError, match="its build was stopped" if kind == "index.json" else file.name):
        use()
    if kind != "index.json":
        file.write_bytes(content)
    assert build_index(tiny_run.run, [photos], index).photos == 40
    use()
    assert len(state(index)) == 40


@pytest.mark.slow
def test_damaged_thumbnails_are_missing_until_they_are_built_again(
    index: Path, photos: Path, tiny_run: TrainedRun
) -> None:
    (file,) = thumbnail_files(index)
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    with open_index(index) as opened:
        found = [opened.thumbnail(match.id) for match in opened.query(photos / SUN / f"{SUN} 00.jpg", top=40)]
    assert found.count(None) == 1
    build_index(tiny_run.run, [photos], index)
    assert len(state(index)) == 40


@pytest.mark.slow
def test_a_reader_sees_one_index_while_it_is_replaced(index: Path) -> None:
    done = threading.Event()

    def write() -> None:
        try:
            for n in range(4):
                remove_photos(index, [f"{SUN}/{SUN} 0{n}.jpg"])
        finally:
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        seen.add(len(state_quickly(index)))
        time.sleep(0.01)
    writer.join()
    assert seen <= {40, 39, 38, 37, 36} and len(state(index)) == 36


def state_quickly(index: Path) -> list[str]:
    stored = read_stored(index)
    assert len(stored.vectors_ND) == stored.rows.n_vectors
    return [stored.rows[n].path for n in range(stored.info.n_vectors)]
