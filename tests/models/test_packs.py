"""The file of a head pack: all of a bundle but its network, unchanged, or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors
from tests.inference.tiny_bundles import Draft, decided, two_factors, with_golden

from photograft.errors import IntegrityError, ModelError
from photograft.models.bundle import Bundle, find_bundle
from photograft.models.decisions import familiar_file
from photograft.models.packs import (
    _FORMAT,
    _digest,
    _metadata,
    backbone_key,
    is_pack,
    pack_content,
    read_pack,
    same_network,
    stand_on,
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return with_golden(decided(tmp_path_factory.mktemp("packs") / "밝기"))


@pytest.fixture
def pack(bundle: Bundle, tmp_path: Path) -> Path:
    path = tmp_path / "내 pack.heads.safetensors"
    path.write_bytes(pack_content(bundle, name="밝기"))
    return path


def rewrite(path: Path, change: Any) -> None:
    """Change the content of a pack, and its digest with it."""
    head, tensors = json.loads(_metadata(path)[_FORMAT]), load_tensors(path.read_bytes())
    content = json.loads(head["pack"])
    change(content, tensors)
    head["pack"] = json.dumps(content)
    head["sha256"] = _digest(head["pack"], tensors)
    path.write_bytes(save_tensors(tensors, {_FORMAT: json.dumps(head)}))


def test_it_holds_all_of_the_bundle_but_the_network(bundle: Bundle, pack: Path) -> None:
    read = read_pack(pack)
    assert is_pack(pack) and read.name == "밝기" and read.bundle.info == bundle.info
    for name, head in bundle.heads.items():
        np.testing.assert_array_equal(read.bundle.heads[name].weight_DM, head.weight_DM)
        np.testing.assert_array_equal(read.bundle.heads[name].bias_M, head.bias_M)
    assert read.bundle.familiar is not None and bundle.familiar is not None
    assert familiar_file(read.bundle.familiar) == familiar_file(bundle.familiar)
    assert read.pictures == {"golden/picture.jpg": (bundle.folder / "golden/picture.jpg").read_bytes()}
    assert set(read.sums) == {"golden/picture.jpg", "golden/picture.png"}
    assert pack_content(bundle, name="밝기") == pack.read_bytes()


def test_without_what_tells_strangers_it_calls_none_unfamiliar(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "pack"
    path.write_bytes(pack_content(bundle, name="x", familiar=False))
    read = read_pack(path).bundle
    assert read.familiar is None and read.info.decisions.unfamiliar is None
    assert read.info.decisions.unsure == bundle.info.decisions.unsure


def test_heads_on_several_networks_find_each_of_them(tmp_path: Path) -> None:
    bundle = with_golden(two_factors(tmp_path / "one").write(temperature=1.2))
    path = tmp_path / "pack"
    path.write_bytes(pack_content(bundle, name="x"))
    standing = stand_on(read_pack(path).bundle, bundle, path=path)
    assert standing.info == bundle.info and backbone_key(standing.info) == backbone_key(bundle.info)
    assert len(backbone_key(bundle.info)) == 2
    small, large = bundle.info.networks
    assert same_network(small, small) and not same_network(small, large)


def test_every_flipped_bit_is_refused(pack: Path) -> None:
    content = pack.read_bytes()
    for at in (*range(0, 200, 7), *range(200, len(content), len(content) // 60), len(content) - 1):
        changed = bytearray(content)
        changed[at] ^= 0x04
        pack.write_bytes(changed)
        with pytest.raises(ModelError, match=r"no head pack|damaged|copy the pack again|format"):
            read_pack(pack)


@pytest.mark.parametrize(
    "content", [b"", b"x", b"\xff" * 64, b"\x02\x00\x00\x00\x00\x00\x00\x00[]", b"\x02" + b"\x00" * 9]
)
def test_what_is_no_pack_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.safetensors"
    path.write_bytes(content)
    assert not is_pack(path) and not is_pack(tmp_path)
    with pytest.raises(ModelError, match="is no head pack"):
        read_pack(path)
    with pytest.raises(ModelError, match="is a folder, and a head pack is a file"):
        read_pack(tmp_path)
    with pytest.raises(ModelError, match="does not exist"):
        read_pack(tmp_path / "nothing")


def test_where_a_bundle_is_wanted_a_pack_is_refused_with_what_to_do(pack: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no network: `photograft heads add RUN '.*내 pack.heads.safetensors'"):
        find_bundle(pack)


def test_half_a_pack_and_other_safetensors_are_refused(pack: Path) -> None:
    content = pack.read_bytes()
    pack.write_bytes(content[: len(content) // 2])
    with pytest.raises(IntegrityError, match="damaged"):
        read_pack(pack)
    pack.write_bytes(save_tensors({"weight": np.zeros(3, np.float32)}))
    with pytest.raises(ModelError, match="heads export RUN"):
        read_pack(pack)


def test_a_later_format_is_refused_in_plain_words(pack: Path) -> None:
    head, tensors = json.loads(_metadata(pack)[_FORMAT]), load_tensors(pack.read_bytes())
    pack.write_bytes(save_tensors(tensors, {_FORMAT: json.dumps({**head, "version": 2})}))
    assert is_pack(pack)
    with pytest.raises(ModelError, match="format 2, this release of photograft reads format 1: pip install -U"):
        read_pack(pack)


@pytest.mark.parametrize(
    "name",
    ["../evil", "heads/../../evil", "/etc/evil", "C:evil", "heads\\evil", "heads/a/b", "heads/.x", "bundle.json"],
)
def test_no_file_of_it_can_lie_outside_of_a_bundle(pack: Path, name: str) -> None:
    rewrite(pack, lambda content, _: content["bundle"]["heads"][0].update(weights=name))
    with pytest.raises(IntegrityError, match="is no file of a bundle"):
        read_pack(pack)


def test_what_does_not_fit_together_is_refused(pack: Path) -> None:
    rewrite(pack, lambda _, tensors: tensors.update({"heads/밝기-small/bias": np.zeros(3, np.float32)}))
    with pytest.raises(IntegrityError, match="weights of 밝기-small do not fit"):
        read_pack(pack)
    rewrite(pack, lambda _, tensors: tensors.pop("heads/밝기-small/bias"))
    with pytest.raises(IntegrityError, match="lacks the tensor"):
        read_pack(pack)
    rewrite(pack, lambda content, _: content["bundle"].update(requires=["telepathy"]))
    with pytest.raises(ModelError, match="requires telepathy"):
        read_pack(pack)


@pytest.mark.parametrize("key", ["name", "bundle", "golden", "card"])
def test_a_pack_that_lacks_a_part_is_refused_though_its_digest_holds(pack: Path, key: str) -> None:
    rewrite(pack, lambda content, _: content.pop(key))
    with pytest.raises(IntegrityError, match=f"no pack that photograft wrote .*{key}"):
        read_pack(pack)


def test_a_network_whose_batchnorm_moved_has_no_pack(bundle: Bundle, pack: Path) -> None:
    row = bundle.info.networks[0].model_copy(update={"batchnorm": "moved"})
    moved = Bundle(bundle.folder, bundle.info.model_copy(update={"networks": (row,)}), bundle.heads)
    with pytest.raises(ModelError, match=r"BatchNorm statistics of small were moved .* Share the whole bundle"):
        pack_content(moved, name="x")
    rewrite(pack, lambda content, _: content["bundle"]["networks"][0].update(batchnorm="moved"))
    with pytest.raises(IntegrityError, match="BatchNorm of network small was moved"):
        read_pack(pack)


def test_a_tuned_network_belongs_to_its_run(bundle: Bundle, pack: Path, tmp_path: Path) -> None:
    def tune(content: dict[str, Any], _: object) -> None:
        content["bundle"]["networks"][0].update(cut="blocks.5", sha256="1" * 64, source={"name": "small"})

    rewrite(pack, tune)
    with pytest.raises(
        ModelError, match=r"small tuned from blocks.5 on of 48 numbers \(SHA-256 1{12}\).*Only what the same run"
    ):
        stand_on(read_pack(pack).bundle, bundle, path=pack)
    other = Draft(tmp_path / "flip").network("small", 16, flip=True).target("label", ("a", "b"), ["small"]).write()
    assert backbone_key(with_golden(other).info) != backbone_key(bundle.info)
