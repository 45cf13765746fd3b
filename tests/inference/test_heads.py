"""Several heads on one pass: results as alone, what may share one, and what is refused."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.inference.tiny_bundles import Draft, decided, several_labels, two_factors, with_golden

import photograft
from photograft.contract import Box, make_contract
from photograft.data.hashing import hash_file
from photograft.errors import ConfigError, ImageRejected, ModelError
from photograft.inference.classifier import Prediction
from photograft.inference.golden import draw_golden_pictures
from photograft.inference.heads import Heads, head_name, open_heads
from photograft.models.bundle import seal_bundle
from photograft.models.packs import pack_content

PICTURES = list(draw_golden_pictures().values())


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Bundles of one network: two classes with limits, several labels, and three classes as a pack."""
    root = tmp_path_factory.mktemp("머리 heads")
    one, other = decided(root / "밝기", limit=-1.0), several_labels(root / "labels").write()
    three = Draft(root / "three").network("small", 16).target("label", ("a", "b", "다"), ["small"]).write()
    pack = root / "셋.heads.safetensors"
    pack.write_bytes(pack_content(with_golden(three), name="three"))
    return [one, other, pack]


@pytest.fixture(scope="module")
def heads(folders: list[Path]) -> Iterator[Heads]:
    with open_heads(folders, workers=1) as heads:
        yield heads


def assert_same(one: Prediction, other: Prediction) -> None:
    assert (one.status, one.label, one.path) == (other.status, other.label, other.path)
    assert [name for name, _ in one.labels] == [name for name, _ in other.labels]
    assert dict(one.top) == pytest.approx(dict(other.top), abs=1e-5)


def test_every_head_says_what_it_says_alone(heads: Heads, folders: list[Path], tmp_path: Path) -> None:
    assert heads.names == ("밝기", "labels", "셋")
    said = heads.predict_pixels([heads.decode(data) for data in PICTURES], ["하나", "two"])
    assert [list(each) for each in said] == [list(heads.names)] * 2
    for name, folder in zip(heads.names, folders, strict=True):
        alone = folder
        if folder.is_file():
            alone = photograft.add_heads(folders[0], folder, to=tmp_path / "whole").bundle
        with photograft.load(alone) as classifier:
            decoded = [classifier.decode(data) for data in PICTURES]
            stacked = {key: np.stack([each[key] for each in decoded]) for key in decoded[0]}
            for row, want in zip(said, classifier.describe(["하나", "two"], classifier.embed(stacked)), strict=True):
                assert_same(row[name], want)
    assert said[0]["밝기"].status == "unfamiliar" and said[0]["셋"].status == "ok"


def test_many_threads_get_what_one_gets(heads: Heads) -> None:
    pixels = [heads.decode(data) for data in PICTURES]
    want, wrong = heads.predict_pixels(pixels, ["a", "b"]), []

    def ask(turn: int) -> None:
        order = [turn % 2, 1 - turn % 2]
        got = heads.predict_pixels([heads.decode(PICTURES[i]) for i in order], [["a", "b"][i] for i in order])
        for i, row in zip(order, got, strict=True):
            if any(dict(row[name].top) != pytest.approx(dict(want[i][name].top), abs=1e-5) for name in heads.names):
                wrong.append(turn)

    threads = [threading.Thread(target=ask, args=(turn,)) for turn in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_file_that_is_no_photo_is_rejected_and_no_photos_are_no_rows(heads: Heads) -> None:
    with pytest.raises(ImageRejected):
        heads.decode(b"no photo")
    assert heads.predict_pixels([], []) == []
    assert [each.shape for each in heads.embed([]).values()] == [(0, 48)]


@pytest.mark.slow
def test_a_bundle_alone_may_have_any_number_of_networks(tmp_path: Path) -> None:
    folder = two_factors(tmp_path / "alone").write()
    with open_heads([folder], workers=2) as heads, photograft.load(folder) as classifier:
        (said,) = heads.predict_pixels([heads.decode(PICTURES[0])], ["x"])
        want = classifier.predict(PICTURES[0])
    assert isinstance(want, Prediction)
    assert dict(said["alone"].top) == pytest.approx(dict(want.top), abs=1e-5)
    assert set(said["alone"].factors) == {"mask", "age"}
    with pytest.raises(ModelError, match="2 networks"):
        open_heads([folder, several_labels(tmp_path / "labels").write()])


def test_a_limit_is_for_heads_that_give_one_label(folders: list[Path]) -> None:
    with open_heads(folders, workers=1, min_probability=1.0) as heads:
        (said,) = heads.predict_pixels([heads.decode(PICTURES[0])], ["x"])
    assert (said["labels"].status, said["셋"].status) == ("ok", "unsure")


def test_what_differs_is_named(folders: list[Path], tmp_path: Path) -> None:
    large = Draft(tmp_path / "large").network("large", 28).target("label", ("a", "b"), ["large"]).write()
    with pytest.raises(
        ModelError, match=r"network large of 84 numbers \(SHA-256 \w{12}\), not small .*resize.px 28, not 16"
    ):
        open_heads([folders[0], large])
    flip = Draft(tmp_path / "flip").network("small", 16, flip=True).target("label", ("a", "b"), ["small"]).write()
    with pytest.raises(ModelError, match=r"it wants views whole and whole-flipped, not whole. Heads fit"):
        open_heads([folders[0], flip])
    cropped = make_contract(16, box=Box(source="voc", margin=0.2))
    other = Draft(tmp_path / "box").network("small", 16, contract=cropped).target("label", ("a", "b"), ["small"])
    with pytest.raises(ModelError, match=r"box.source voc, not none; box.margin 0.2, not 0.0"):
        open_heads([folders[0], other.write()])


def test_a_pack_alone_and_two_of_one_name_are_refused(folders: list[Path]) -> None:
    with pytest.raises(ModelError, match="holds no network: name the bundle"):
        open_heads([folders[2]])
    with pytest.raises(ConfigError, match="Two heads are called 밝기"):
        open_heads([folders[0], folders[0]])
    with pytest.raises(ConfigError, match="at least one"):
        open_heads([])


@pytest.mark.slow
def test_the_same_weights_exported_elsewhere_count_where_golden_pictures_agree(
    folders: list[Path], tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx")
    draft = Draft(tmp_path / "elsewhere").network("small", 16).target("label", ("a", "b"), ["small"])
    (file,) = draft.network_files.values()
    model = onnx.load(file)
    model.doc_string = "another machine"
    onnx.save(model, file)
    draft.rows["networks"][0] = draft.rows["networks"][0].model_copy(update={"sha256": hash_file(file)})
    folder = draft.write()
    bundle = with_golden(folder)
    with open_heads([folders[0], folder], workers=1) as heads:
        (said,) = heads.predict_pixels([heads.decode(PICTURES[0])], ["x"])
        assert set(said) == {"밝기", "elsewhere"}
    wrong = bundle.info.golden[0].model_copy(update={"outputs": {"label": (1.0, 0.0)}})
    seal_bundle(folder, bundle.info.model_copy(update={"golden": (wrong,)}))
    with pytest.raises(ModelError, match=r"same weights as .*probabilities of label differ"):
        open_heads([folders[0], folder])


def test_a_head_is_called_as_its_run_folder_or_file(folders: list[Path], tmp_path: Path) -> None:
    (tmp_path / "my run" / "model").mkdir(parents=True)
    (tmp_path / "my run" / "run.json").touch()
    assert head_name(tmp_path / "my run" / "model") == head_name(tmp_path / "my run") == "my run"
    assert [head_name(folder) for folder in folders] == ["밝기", "labels", "셋"]


def test_torch_is_never_imported(folders: list[Path], tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(PICTURES[0])
    code = """
import sys
from pathlib import Path
from photograft.inference.heads import open_heads
with open_heads([Path(each) for each in sys.argv[2:]], workers=1) as heads:
    heads.predict_pixels([heads.decode(Path(sys.argv[1]).read_bytes())], ["x"])
print([name for name in ("torch", "timm", "sklearn") if name in sys.modules])
"""
    shown = subprocess.check_output([sys.executable, "-c", code, str(photo), *map(str, folders)], text=True)
    assert shown.strip() == "[]"
