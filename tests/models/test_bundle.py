from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from photograft.errors import IntegrityError, ModelError
from photograft.models.bundle import check_files, find_bundle, read_bundle, seal_bundle, unlisted_files, write_head
from photograft.models.networks import network_file
from photograft.tracking.cache import cache_folder
from photograft.workflow.train import TrainedRun

HEAD = "heads/head.safetensors"


def reseal(bundle: Path) -> None:
    """Make the checksums right again, as somebody would who means harm."""
    names = json.loads((bundle / "checksums.json").read_text("utf-8"))
    sums = {n: hashlib.sha256((bundle / n).read_bytes()).hexdigest() for n in names if (bundle / n).is_file()}
    (bundle / "checksums.json").write_text(json.dumps(sums), "utf-8")


def edit(bundle: Path, change: Callable[[Any], Any]) -> None:
    """Change bundle.json and make the checksums right again."""
    info = json.loads((bundle / "bundle.json").read_text("utf-8"))
    change(info)
    (bundle / "bundle.json").write_text(json.dumps(info), "utf-8")
    reseal(bundle)


def test_what_was_written_is_read(tiny_run: TrainedRun, bundle_copy: Path) -> None:
    bundle = read_bundle(bundle_copy)
    assert bundle.classes == tiny_run.classes == ("daisy", "sun flower", "노란 튤립")
    (head,) = bundle.heads.values()
    assert head.weight_DM.shape == (2128, 3) and head.weight_DM.dtype == np.float32
    assert bundle.contract.px == 64 and bundle.info.views[0].names == ("whole",)
    assert bundle.info.targets[0].temperature > 0 and bundle.info.requires == ("core", "decisions")
    weight_DM, bias_M = head.weight_DM + 1, head.bias_M - 1
    write_head(bundle_copy / HEAD, weight_DM, bias_M)
    seal_bundle(bundle_copy, bundle.info)
    again = read_bundle(bundle_copy)
    (head,) = again.heads.values()
    assert again.info == bundle.info
    assert np.array_equal(head.weight_DM, weight_DM) and np.array_equal(head.bias_M, bias_M)


def test_a_run_stands_for_its_bundle(tiny_run: TrainedRun, tmp_path: Path) -> None:
    assert find_bundle(tiny_run.run) == find_bundle(tiny_run.bundle) == tiny_run.bundle
    with pytest.raises(ModelError, match="does not exist"):
        find_bundle(tmp_path / "nothing")
    with pytest.raises(ModelError, match="neither a run nor a bundle"):
        find_bundle(tmp_path)
    (tmp_path / "started.json").write_text("{}")
    with pytest.raises(ModelError, match="is not finished: go on with it by `photograft train --resume"):
        find_bundle(tmp_path)


def test_runs_share_the_network_on_disk(tiny_run: TrainedRun) -> None:
    bundle = read_bundle(tiny_run.bundle)
    name = bundle.info.networks[0].source["name"]
    from photograft.models.catalogue import find_backbone

    cached = network_file(find_backbone(name), px=64, embedding="multi", cache_dir=cache_folder())
    (network,) = bundle.networks.values()
    assert network.samefile(cached)


def test_nothing_in_a_bundle_can_be_executed(tiny_run: TrainedRun) -> None:
    kinds = {p.suffix for p in tiny_run.bundle.rglob("*") if p.is_file()}
    assert kinds == {".json", ".safetensors", ".onnx", ".md", ".png", ".jpg"}


def test_one_changed_byte_in_any_file_is_found_and_named(bundle_copy: Path) -> None:
    names = list(check_files(bundle_copy))
    assert {"bundle.json", HEAD, "README.md", "golden/picture.png"} < set(names)
    for name in names:
        content = (bundle_copy / name).read_bytes()
        changed = bytearray(content)
        changed[len(content) // 2] ^= 1
        (bundle_copy / name).write_bytes(changed)
        with pytest.raises(IntegrityError, match=f"{name} was changed"):
            read_bundle(bundle_copy)
        (bundle_copy / name).write_bytes(content)
    read_bundle(bundle_copy)


@pytest.mark.parametrize("name", [HEAD, "golden/picture.jpg", "checksums.json"])
def test_a_missing_file_is_named(bundle_copy: Path, name: str) -> None:
    (bundle_copy / name).unlink()
    with pytest.raises(IntegrityError, match=f"{name} is missing"):
        read_bundle(bundle_copy)


@pytest.mark.parametrize("content", ["", "[]", '["bundle.json"]', "3", "{}", '{"bundle.json": 3}'])
def test_damaged_checksums_are_refused(bundle_copy: Path, content: str) -> None:
    (bundle_copy / "checksums.json").write_text(content)
    with pytest.raises(IntegrityError):
        read_bundle(bundle_copy)


def test_an_unlisted_file_is_not_read_and_named_unless_systems_left_it(bundle_copy: Path) -> None:
    before = read_bundle(bundle_copy).info
    for name in (".DS_Store", "heads/Thumbs.db", ".cache/x", ".git/objects/x"):
        (bundle_copy / name).parent.mkdir(parents=True, exist_ok=True)
        (bundle_copy / name).write_bytes(b"x")
    sums = check_files(bundle_copy)
    assert unlisted_files(bundle_copy, sums) == []
    (bundle_copy / "heads" / "more.safetensors").write_bytes(b"x")
    (bundle_copy / "notes.txt").write_bytes(b"x")
    assert read_bundle(bundle_copy).info == before
    assert unlisted_files(bundle_copy, sums) == ["heads/more.safetensors", "notes.txt"]
    seal_bundle(bundle_copy, before)
    assert set(check_files(bundle_copy)) - set(sums) == {"heads/more.safetensors", "notes.txt"}


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "heads/../../outside"])
def test_a_path_that_leads_out_is_not_followed(bundle_copy: Path, name: str) -> None:
    (bundle_copy.parent / "outside").write_bytes(b"x")
    sums = json.loads((bundle_copy / "checksums.json").read_text("utf-8"))
    sums[name] = hashlib.sha256(b"x").hexdigest()
    (bundle_copy / "checksums.json").write_text(json.dumps(sums))
    with pytest.raises(IntegrityError, match="leads out of the bundle"):
        read_bundle(bundle_copy)


@pytest.mark.parametrize(
    "change",
    [
        lambda i: i["heads"][0].update(weights="../outside.safetensors"),
        lambda i: i["networks"][0].update(file="/outside.onnx"),
        lambda i: i["golden"][0].update(file="golden/other.png"),
    ],
)
def test_a_file_that_was_not_checked_is_not_used(bundle_copy: Path, change: Callable[[Any], Any]) -> None:
    edit(bundle_copy, change)
    with pytest.raises(IntegrityError, match="is not a file of the bundle"):
        read_bundle(bundle_copy)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda i: i.update(format=2), "format 2"),
        (lambda i: i.pop("format"), "format None"),
        (lambda i: i.update(requires=["core", "ensembles"]), "requires ensembles"),
        (lambda i: i.update(requires=7), "requires"),
        (lambda i: i.update(joint={"targets": []}), "joint"),
        (lambda i: i["heads"][0].update(kind="quantile"), r"heads\.0\.kind.*not 'quantile'"),
        (lambda i: i["heads"][0].update(output="logits"), r"heads\.0\.output"),
        (lambda i: i["networks"][0].update(input="another network"), r"networks\.0\.input"),
        (lambda i: i["views"][0].update(crops=5), r"views\.0\.crops"),
        (lambda i: i["targets"][0].update(merge="probability"), r"targets\.0\.merge"),
        (lambda i: i["targets"][0].update(bins=[0.5]), r"targets\.0\.bins"),
        (lambda i: i.update(joint={"targets": ["label"], "rule": "sum", "calibration": {}}), r"joint\.rule"),
        (lambda i: i["contracts"][0]["contract"]["resize"].update(rule="letterbox"), r"contracts\.0\.contract"),
        (lambda i: i["contracts"][0]["contract"]["decode"].update(colour="p3"), "colour"),
        (lambda i: i["contracts"][0]["contract"]["decode"].update(formats=["JPEG", "EPS"]), r"formats\.1.*not 'EPS'"),
        (lambda i: i.update(networks=[]), "networks"),
        (lambda i: i["targets"][0].update(members=[]), r"targets\.0\.members"),
        (lambda i: i.update(decisions={"unsure": {}}), "decisions"),
    ],
)
def test_what_this_release_does_not_know_is_refused_by_name(
    bundle_copy: Path, change: Callable[[Any], Any], named: str
) -> None:
    edit(bundle_copy, change)
    with pytest.raises(ModelError, match=named) as refused:
        read_bundle(bundle_copy)
    assert "pip install -U photograft" in str(refused.value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda i: i["contracts"][0]["contract"]["resize"].update(px=96), "contract"),
        (lambda i: i["networks"][0].update(contract="another"), r"networks\.contract"),
        (lambda i: i["networks"][0].update(sha256="0" * 64), "not the network"),
        (lambda i: i["contracts"].append(i["contracts"][0]), r"contracts\.id"),
        (lambda i: i["networks"].append(i["networks"][0]), r"networks\.id"),
        (lambda i: i["heads"].append(i["heads"][0]), r"heads\.id head stands there 2 times"),
        (lambda i: i["heads"].append(i["heads"][0] | {"id": "b", "weights": "b"}), r"targets\.members names b nowhere"),
        (lambda i: i["views"].append(i["views"][0]), r"views\.network names .* 2 times"),
        (lambda i: i["targets"].append(i["targets"][0]), r"targets\.name"),
        (lambda i: i["views"][0].update(network="another"), r"views\.network"),
        (lambda i: i["heads"][0].update(network="another"), r"heads\.network"),
        (lambda i: i["targets"][0]["members"].append({"head": "head"}), r"targets\.members"),
        (lambda i: i["targets"][0].update(calibration={"vector": 1.0}), r"targets\.calibration"),
        (lambda i: i["targets"][0].update(calibration={"temperature": 0.0}), "temperature is 0.0"),
        (lambda i: i["targets"][0].update(calibration={"temperature": -1.0}), "temperature is -1.0"),
        (lambda i: i["targets"][0]["classes"].__setitem__(0, i["targets"][0]["classes"][1]), "different names"),
        (lambda i: i["targets"][0].update(classes=["one"]), "at least two"),
        (lambda i: i["targets"][0].update(positive="none of them"), r"targets\.positive"),
        (lambda i: i["inputs"].update(limits={"max_file_mb": "many"}), r"inputs\.limits"),
        (lambda i: i["inputs"].update(limits=3), r"inputs\.limits"),
        (lambda i: i["networks"][0]["outputs"].pop("embedding"), "size of the embedding"),
        (lambda i: i["networks"][0]["outputs"].update(embedding="2128"), "size of the embedding"),
        (lambda i: i["targets"][0]["classes"].pop(), "does not fit the classes"),
        (lambda i: i["networks"][0]["outputs"].update(embedding=1280), "does not fit the classes"),
    ],
)
def test_a_bundle_that_contradicts_itself_is_refused(
    bundle_copy: Path, change: Callable[[Any], Any], named: str
) -> None:
    edit(bundle_copy, change)
    with pytest.raises(IntegrityError, match=named):
        read_bundle(bundle_copy)


@pytest.mark.parametrize("content", [b"", b"not safetensors", save({"other": np.zeros(3, np.float32)})])
def test_a_head_that_is_none_is_refused(bundle_copy: Path, content: bytes) -> None:
    (bundle_copy / HEAD).write_bytes(content)
    reseal(bundle_copy)
    with pytest.raises(IntegrityError, match=r"head\.safetensors"):
        read_bundle(bundle_copy)


def test_bundle_json_that_is_no_json_is_refused(bundle_copy: Path) -> None:
    (bundle_copy / "bundle.json").write_bytes(b"\xff{")
    reseal(bundle_copy)
    with pytest.raises(IntegrityError, match="not JSON"):
        read_bundle(bundle_copy)


def test_networks_trained_behind_a_cut_and_older_ones_are_read(bundle_copy: Path) -> None:
    edit(bundle_copy, lambda info: info["networks"][0].update(cut="blocks:2", batchnorm="moved"))
    network = read_bundle(bundle_copy).info.networks[0]
    assert (network.cut, network.batchnorm) == ("blocks:2", "moved")

    def as_before(info: Any) -> None:
        del info["networks"][0]["cut"], info["networks"][0]["batchnorm"]

    edit(bundle_copy, as_before)
    network = read_bundle(bundle_copy).info.networks[0]
    assert (network.cut, network.batchnorm) == ("head", "frozen")
