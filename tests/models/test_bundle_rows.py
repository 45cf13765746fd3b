"""What bundles of several rows must be, and that those of the first release still load."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.inference.tiny_bundles import AGE, MASK, Draft, flat_factors, several_labels, two_factors
from tests.models.test_bundle import edit

import photograft
from photograft.errors import IntegrityError, ModelError
from photograft.models.bundle import read_bundle, seal_bundle
from photograft.models.bundle_rows import AdjustRow
from photograft.values import Target

FIRST_RELEASE = Path(__file__).parent / "bundle_format_1"

Change = Callable[[Any], Any]


def test_a_bundle_of_the_first_release_is_read_and_predicts_the_same() -> None:
    found = photograft.verify(FIRST_RELEASE)
    assert found.ok, found.problems
    bundle = read_bundle(FIRST_RELEASE)
    assert bundle.classes == ("daisy", "노란 튤립", "sun flower") and not bundle.joint and not bundle.several
    assert bundle.targets == (Target("label", bundle.classes),)
    assert bundle.info.views[0].names == ("whole", "whole-flipped")


def test_a_bundle_that_the_first_release_can_read_is_written_as_it_wrote_it(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FIRST_RELEASE, tmp_path / "copy"))
    before = (folder / "bundle.json").read_bytes()
    seal_bundle(folder, read_bundle(folder).info)
    assert (folder / "bundle.json").read_bytes() == before


@pytest.mark.parametrize("make", [two_factors, flat_factors, several_labels])
def test_what_was_written_is_read(tmp_path: Path, make: Callable[[Path], Draft]) -> None:
    draft = make(tmp_path / "모델")
    bundle = read_bundle(draft.write())
    for name, rows in draft.rows.items():
        assert list(getattr(bundle.info, name)) == rows
    for row in bundle.info.heads:
        weight_DM, bias_M = draft.head_files[row.weights]
        assert np.array_equal(bundle.heads[row.id].weight_DM, weight_DM)
        assert np.array_equal(bundle.heads[row.id].bias_M, bias_M)
    assert bundle.contract == next(iter(bundle.contracts.values())) and all(map(Path.is_file, bundle.networks.values()))


def test_several_targets_have_the_combinations_as_classes(tmp_path: Path) -> None:
    bundle = read_bundle(two_factors(tmp_path / "model").write())
    assert bundle.classes == tuple(f"{m} | {a}" for m in MASK for a in AGE) and bundle.joint
    assert bundle.targets == (Target("mask", MASK, "binary"), Target("age", AGE, "ordinal"))
    assert bundle.info.targets[1].prior_adjust == AdjustRow(power=0.5, shares=(0.5, 0.3, 0.2))
    assert bundle.info.views_of("large").names == tuple(f"five-{i}" for i in range(5))


def test_only_bundles_that_an_older_reader_would_misread_require_more(tmp_path: Path) -> None:
    one = Draft(tmp_path / "one").network("a", 16).target("x", ("1", "2"), ["a"])
    weighed = Draft(tmp_path / "weighed").network("b", 16).target("x", ("1", "2"), ["b"], weights=[0.5])
    several = two_factors(tmp_path / "several")
    required = [read_bundle(draft.write()).info.requires for draft in (one, weighed, several)]
    assert required == [("core",), ("core", "composite"), ("core", "composite")]
    written = json.loads((tmp_path / "one" / "bundle.json").read_text("utf-8"))
    assert set(written["targets"][0]) == {"name", "classes", "positive", "members", "merge", "calibration"}
    assert "fold" not in written["heads"][0] and "joint" not in written


def target(i: int = 0, **values: Any) -> Change:
    return lambda info: info["targets"][i].update(values)


def heads(i: int, **values: Any) -> Change:
    return lambda info: info["heads"][i].update(values)


def same_names(info: Any) -> None:
    info["targets"][0]["classes"] = ["a", "a | b"]
    info["targets"][1]["classes"] = ["b | c", "c", "d"]


FACTORS = [{"name": "mask", "classes": ["none", "쓴 wear"]}, {"name": "나이", "classes": ["<30", ">=60"]}]


@pytest.mark.parametrize(
    ("make", "change", "named"),
    [
        (two_factors, lambda i: i.pop("joint"), "joint is missing, and there are 2 targets"),
        (two_factors, lambda i: i["joint"].update(targets=["age", "mask"]), r"joint\.targets"),
        (two_factors, lambda i: i["joint"].update(targets=["mask"]), r"joint\.targets"),
        (two_factors, lambda i: i["joint"].update(calibration={"temperature": 0}), r"joint\.calibration\.temperature"),
        (two_factors, lambda i: i["joint"].update(calibration={}), r"joint\.calibration"),
        (two_factors, lambda i: i["views"].pop(), r"views\.network names large nowhere"),
        (two_factors, lambda i: i["views"][1].update(network="small"), r"views\.network names small 2 times"),
        (two_factors, lambda i: i["contracts"].pop(), r"networks\.contract is .*, not one of"),
        (two_factors, lambda i: i["networks"][1].update(file="networks/small.onnx"), r"networks\.file .* 2 times"),
        (two_factors, heads(1, weights="heads/0.safetensors"), r"heads\.weights .* 2 times"),
        (two_factors, heads(2, network="small"), r"heads\.network names large nowhere"),
        (two_factors, heads(2, kind="softmax"), r"age have heads of different kinds: ordinal, softmax"),
        (two_factors, heads(0, kind="softmax"), "does not fit the classes"),
        (two_factors, heads(0, kind="sigmoid"), r"targets\.thresholds belong to heads of kind sigmoid"),
        (two_factors, target(name="age"), r"targets\.name age"),
        (two_factors, target(members=[{"head": "age-small"}]), r"targets\.members names age-small 2 times"),
        (two_factors, target(members=[{"head": "mask-small", "weight": 0}]), r"weights \[0.0\]"),
        (two_factors, target(members=[{"head": "mask-small", "weight": -1}]), "weights"),
        (two_factors, target(1, order=False), r"ordinal, and targets\.order is false \(target age\)"),
        (two_factors, target(classes=["a", "b", "c"]), "binary, which takes two classes, not 3"),
        (two_factors, target(1, prior_adjust={"power": 1, "shares": [0.5, 0.5]}), "shares are 2 numbers for 3"),
        (two_factors, target(1, prior_adjust={"power": 1, "shares": [0, 0, 0]}), r"prior_adjust must"),
        (two_factors, target(1, prior_adjust={"power": 1, "shares": [-1, 1, 1]}), r"prior_adjust must"),
        (two_factors, target(1, factors=FACTORS), "has factors, and is a factor itself"),
        (two_factors, same_names, "two combinations of one name"),
        (flat_factors, target(factors=FACTORS[:1]), r"targets\.classes none \| <30 is no combination of mask"),
        (flat_factors, target(factors=[FACTORS[0], {"name": "b", "classes": ["<30"]}]), "no combination of mask, b"),
        (flat_factors, target(factors=[FACTORS[0], FACTORS[1] | {"name": "mask"}]), "a name twice"),
        (flat_factors, target(thresholds=[0.5] * 3), r"thresholds belong .*this one is softmax"),
        (flat_factors, lambda i: i.update(joint={"targets": ["label"], "calibration": {"temperature": 1}}), "single"),
        (several_labels, target(thresholds=None), r"thresholds belong .* sigmoid"),
        (several_labels, target(thresholds=[0.5]), "thresholds are 1 numbers for 3 classes"),
        (several_labels, target(thresholds=[0.5, 0.5, 1.5]), "not all from 0 to 1"),
        (several_labels, target(prior_adjust={"power": 1, "shares": [1, 1, 1]}), "not for heads of kind sigmoid"),
    ],
)
def test_rows_that_do_not_fit_together_are_refused(
    tmp_path: Path, make: Callable[[Path], Draft], change: Change, named: str
) -> None:
    folder = make(tmp_path / "model").write()
    edit(folder, change)
    with pytest.raises(IntegrityError, match=named):
        read_bundle(folder)


def test_several_labels_stand_alone(tmp_path: Path) -> None:
    draft = several_labels(tmp_path / "model").target("x", ("1", "2"), ["small"])
    with pytest.raises(IntegrityError, match="heads of kind sigmoid, which stand alone"):
        read_bundle(draft.write())


def test_combinations_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    draft = Draft(tmp_path / "model").network("a", 16)
    for name in "abcdef":
        draft.target(name, [str(i) for i in range(10)], ["a"])
    with pytest.raises(IntegrityError, match="1,000,000 combinations"):
        read_bundle(draft.write())


def test_unknown_keys_of_new_rows_are_refused_by_name(tmp_path: Path) -> None:
    folder = two_factors(tmp_path / "model").write()
    edit(folder, lambda info: info["joint"].update(prior=1))
    with pytest.raises(ModelError, match=r"joint\.prior"):
        read_bundle(folder)
