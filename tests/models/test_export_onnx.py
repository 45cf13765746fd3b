"""The fused file says what the bundle says, for every kind of bundle."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from tests.inference.tiny_bundles import AGE, MASK, Draft, decided, flat_factors, several_labels, two_factors

import photograft
from photograft.contract import make_contract
from photograft.errors import ModelError
from photograft.inference.classifier import Classifier
from photograft.inference.decisions import strangeness
from photograft.models.bundle import read_bundle
from photograft.models.export_onnx import fuse

pytest.importorskip("onnx")
PX = 32


def factors(folder: Path) -> Path:
    """Three factors of every kind, by two networks that look at the same pictures in different ways."""
    contract = make_contract(PX)
    draft = Draft(folder).network("whole", PX, flip=True, contract=contract)
    draft.network("crops", 28, crops="five", contract=contract)
    draft.target("마스크", MASK, ["whole"], kind="binary", temperature=1.5)
    shares = {"power": 0.7, "shares": (0.6, 0.0, 0.4)}
    draft.target("age", AGE, ["whole", "crops"], kind="ordinal", weights=(0.3, 0.7), prior_adjust=shares)
    return draft.target("kind", ("a", "b", "c", "d"), ["crops"], temperature=0.8).write(temperature=1.3)


def folds(folder: Path) -> Path:
    """Two heads on one network, and all views of a photo that there are."""
    draft = Draft(folder).network("one", 28, crops="five", flip=True, contract=make_contract(PX))
    draft.target("label", ("a", "b", "c"), ["one"], temperature=2.0)
    (row,) = draft.rows["targets"]
    draft.target("again", ("a", "b", "c"), ["one"])
    members = (*row.members, *draft.rows["targets"][1].members)
    shares = [member.model_copy(update={"weight": weight}) for member, weight in zip(members, (0.4, 0.6), strict=True)]
    draft.rows["targets"] = [row.model_copy(update={"members": tuple(shares)})]
    return draft.write()


KINDS: dict[str, Callable[[Path], Path]] = {
    "factors": factors,
    "folds": folds,
    "flat": lambda folder: flat_factors(folder).write(),
    "several": lambda folder: several_labels(folder).write(),
    "decided": decided,
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_says_what_the_bundle_says(kind: str, tmp_path: Path) -> None:
    bundle = read_bundle(KINDS[kind](tmp_path / "모델"))
    ((contract, rules),) = bundle.contracts.items()
    pixels_NHWC = np.random.default_rng(1).integers(0, 256, (5, rules.px, rules.px, 3), dtype=np.uint8)
    with Classifier(bundle) as classifier:
        embeddings = classifier.embed({contract: pixels_NHWC})
        want = classifier.probabilities(embeddings)
    session = onnxruntime.InferenceSession(fuse(bundle).SerializeToString())
    got = run(session, pixels_NHWC)
    assert np.abs(got["probabilities"] - want.probabilities_NK).max() < 2e-6
    assert np.abs(got["embedding"] - np.concatenate(list(embeddings.values()), axis=1)).max() < 1e-5
    alone = run(session, pixels_NHWC[3:4])
    assert np.abs(alone["probabilities"] - got["probabilities"][3:4]).max() < 1e-6
    said = json.loads(session.get_modelmeta().custom_metadata_map.get("factors", "[]"))
    assert {row["name"]: tuple(row["classes"]) for row in said} == {
        name: target.classes for name, target in parts_of(bundle).items()
    }
    for row in said:
        assert np.abs(got[row["output"]] - want.factors[row["name"]]).max() < 2e-6
    assert ("strangeness" in got) == (kind == "decided")
    if bundle.familiar is not None:
        expected_N = strangeness(embeddings["small"], bundle.familiar)
        assert got["strangeness"] == pytest.approx(expected_N, rel=1e-4, abs=1e-3)


def test_directions_of_four_bits_are_exported_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photograft.evaluation.unfamiliar._SMALL_NUMBERS", 0)
    bundle = read_bundle(decided(tmp_path / "model"))
    assert bundle.familiar is not None and bundle.familiar.method == "distance-energy-4bit"
    pixels_NHWC = np.random.default_rng(1).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    with Classifier(bundle) as classifier:
        expected_N = strangeness(classifier.embed({bundle.info.contracts[0].id: pixels_NHWC})["small"], bundle.familiar)
    got = run(onnxruntime.InferenceSession(fuse(bundle).SerializeToString()), pixels_NHWC)
    assert got["strangeness"] == pytest.approx(expected_N, rel=1e-4, abs=1e-3)


def test_metadata_hold_what_a_program_needs(tmp_path: Path) -> None:
    bundle = read_bundle(several_labels(tmp_path / "several").write())
    session = onnxruntime.InferenceSession(fuse(bundle).SerializeToString())
    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["labels"]) == ["개", "cat; 고양이", "bird"]
    assert json.loads(said["thresholds"]) == [0.0, 0.5, 1.0]
    assert json.loads(said["contract"]) == bundle.contract.model_dump(mode="json")
    assert (said["photograft"], json.loads(said["kind"])) == (photograft.__version__, "several labels")
    told = onnxruntime.InferenceSession(fuse(read_bundle(decided(tmp_path / "decided"))).SerializeToString())
    decisions = json.loads(told.get_modelmeta().custom_metadata_map["decisions"])
    assert decisions["unsure"]["min_probability"] == 0.75
    assert decisions["unfamiliar"] == {"output": "strangeness", "limit": 100.0}


def test_bundles_of_several_contracts_are_refused_by_name(tmp_path: Path) -> None:
    bundle = read_bundle(two_factors(tmp_path / "composite").write())
    with pytest.raises(ModelError, match=r"composite reads each photo in 2 ways \(contracts of 16 px, 32 px\)"):
        fuse(bundle)


def test_nothing_of_the_machine_that_trained_is_kept(tmp_path: Path) -> None:
    import onnx

    bundle = read_bundle(flat_factors(tmp_path / "flat").write())
    file = next(iter(bundle.networks.values()))
    model = onnx.load(file)
    model.graph.node[0].metadata_props.add(key="stack_trace", value="/checkout/of/somebody/secret.py")
    model.graph.doc_string = "/checkout/of/somebody"
    file.write_bytes(model.SerializeToString())
    assert b"somebody" not in fuse(bundle).SerializeToString()


def run(session: onnxruntime.InferenceSession, pixels_NHWC: Any) -> dict[str, Any]:
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"pixels": pixels_NHWC}), strict=True))


def parts_of(bundle: Any) -> dict[str, Any]:
    rows = bundle.info.targets if bundle.joint else bundle.info.targets[0].factors
    return {row.name: row for row in rows}
