"""Bundles of networks that are a few sums: they are written in milliseconds, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from photograft.contract import Contract, Crops, make_contract, picture_px
from photograft.data.hashing import hash_file
from photograft.evaluation.unfamiliar import fit_familiar
from photograft.inference.classifier import Classifier
from photograft.inference.golden import draw_golden_pictures, play_golden
from photograft.models.bundle import Bundle, read_bundle, seal_bundle, write_bundle, write_head
from photograft.models.bundle_rows import (
    BundleInfo,
    ContractRow,
    DecisionsRow,
    HeadRow,
    JointRow,
    MemberRow,
    NetworkRow,
    TargetRow,
    UnfamiliarRow,
    UnsureRow,
    ViewRow,
)
from photograft.models.decisions import FILE, familiar_file
from photograft.values import HeadKind

MASK, AGE = ("none", "쓴 wear"), ("<30", "30-60", ">=60")


def write_network(path: Path, px: int) -> Path:
    """Mean colours of the columns of a picture, 0 to 1, from left to right: an embedding of 3 px numbers."""
    onnx = pytest.importorskip("onnx")
    helper, types = onnx.helper, onnx.TensorProto
    scale = onnx.numpy_helper.from_array(np.float32(255), "scale")
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=types.FLOAT),
        helper.make_node("ReduceMean", ["float"], ["columns"], axes=[1], keepdims=0),
        helper.make_node("Flatten", ["columns"], ["flat"], axis=1),
        helper.make_node("Div", ["flat", "scale"], ["embedding"]),
    ]
    taken = helper.make_tensor_value_info("pixels", types.UINT8, ["N", px, px, 3])
    given = helper.make_tensor_value_info("embedding", types.FLOAT, ["N", 3 * px])
    graph = helper.make_graph(nodes, "tiny", [taken], [given], [scale])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


class Draft:
    """A bundle row by row; what is not given is the simplest that fits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: dict[str, list[Any]] = {name: [] for name in ("contracts", "networks", "views", "heads", "targets")}
        self.network_files: dict[str, Path] = {}
        self.head_files: dict[str, tuple[Any, Any]] = {}
        self.joint: JointRow | None = None
        self._rng = np.random.default_rng(0)

    def network(
        self, name: str, px: int, *, crops: Crops = "whole", flip: bool = False, contract: Contract | None = None
    ) -> Draft:
        """A network under a contract, by default one of its own size; equal contracts are one row."""
        contract = contract or make_contract(picture_px(px, crops))
        if contract.id not in [row.id for row in self.rows["contracts"]]:
            self.rows["contracts"].append(ContractRow(id=contract.id, contract=contract))
        path = write_network(self.folder.parent / f"{name}.onnx", px)
        file = f"networks/{name}.onnx"
        self.network_files[file] = path
        self.rows["networks"].append(
            NetworkRow(
                id=name,
                file=file,
                sha256=hash_file(path),
                contract=contract.id,
                outputs={"embedding": 3 * px},
                source={"name": name, "weights_sha256": "0" * 64, "licence": "Apache-2.0"},
            )
        )
        self.rows["views"].append(ViewRow(network=name, crops=crops, flip=flip))
        return self

    def target(
        self,
        name: str,
        classes: Sequence[str],
        on: Sequence[str],
        *,
        kind: HeadKind = "softmax",
        weights: Sequence[float] = (),
        temperature: float = 1.0,
        **row: Any,
    ) -> Draft:
        """A target with a head of random weights on each of the networks `on`."""
        members = []
        n = len(classes) - (kind in ("binary", "ordinal"))
        for network, weight in zip(on, weights or [1.0] * len(on), strict=True):
            head, file = f"{name}-{network}", f"heads/{len(self.head_files)}.safetensors"
            d = next(each.outputs["embedding"] for each in self.rows["networks"] if each.id == network)
            weight_DM, bias_M = self._rng.normal(0, 1, (d, n)), self._rng.normal(0, 1, n)
            self.head_files[file] = weight_DM.astype(np.float32), bias_M.astype(np.float32)
            self.rows["heads"].append(HeadRow(id=head, network=network, weights=file, kind=kind))
            members.append(MemberRow(head=head, weight=weight))
        row.setdefault("order", kind == "ordinal")
        calibration = {"temperature": temperature}
        self.rows["targets"].append(
            TargetRow(name=name, classes=tuple(classes), members=tuple(members), calibration=calibration, **row)
        )
        return self

    def write(self, *, temperature: float = 1.0, files: dict[str, bytes] | None = None) -> Path:
        """The bundle folder; several targets become one at the joint `temperature`."""
        targets = tuple(row.name for row in self.rows["targets"])
        if len(targets) > 1:
            self.joint = JointRow(targets=targets, calibration={"temperature": temperature})
        rows = {name: tuple(each) for name, each in self.rows.items()}
        info = BundleInfo(format=1, licences={}, inputs={}, joint=self.joint, tested={}, **rows)
        write_bundle(self.folder, info, networks=self.network_files, heads=self.head_files, files=files or {})
        return self.folder


def two_factors(folder: Path) -> Draft:
    """Mask by a network of its own, age by two networks of two sizes: an ensemble."""
    draft = Draft(folder).network("small", 16, flip=True).network("large", 28, crops="five")
    draft.target("mask", MASK, ["small"], kind="binary", temperature=1.5)
    shares = {"power": 0.5, "shares": (0.5, 0.3, 0.2)}
    return draft.target("age", AGE, ["small", "large"], kind="ordinal", weights=(0.3, 0.7), prior_adjust=shares)


def flat_factors(folder: Path) -> Draft:
    """One softmax over combinations, of which one is missing."""
    classes = ("none | <30", "none | >=60", "쓴 wear | <30")
    factors = ({"name": "mask", "classes": MASK}, {"name": "나이", "classes": ("<30", ">=60")})
    return Draft(folder).network("small", 16).target("label", classes, ["small"], factors=factors)


def several_labels(folder: Path) -> Draft:
    """Three labels, of which a photo may have any number."""
    thresholds = (0.0, 0.5, 1.0)
    draft = Draft(folder).network("small", 16)
    return draft.target("label", ("개", "cat; 고양이", "bird"), ["small"], kind="sigmoid", thresholds=thresholds)


def decided(folder: Path, *, limit: float = 100.0, min_probability: float = 0.75) -> Path:
    """A bundle for dark and light pictures that keeps to a probability, and that knows grey pictures alone."""
    folder = Draft(folder).network("small", 16).target("밝기", ("dark", "light"), ["small"]).write()
    info = read_bundle(folder).info
    rng = np.random.default_rng(0)
    grey_ND = np.repeat(rng.uniform(0, 1, (60, 1)), 48, axis=1) + rng.normal(0, 0.01, (60, 48))
    familiar = fit_familiar(grey_ND.astype(np.float32), (grey_ND.mean(axis=1) > 0.5).astype(np.int64))
    (folder / FILE).parent.mkdir()
    (folder / FILE).write_bytes(familiar_file(familiar))
    decisions = DecisionsRow(
        unsure=UnsureRow(min_probability=min_probability, precision=0.95, n=200),
        unfamiliar=UnfamiliarRow(network="small", file=FILE, limit=limit),
    )
    # Darker than the middle is dark.
    write_head(folder / info.heads[0].weights, np.tile([[-0.1, 0.1]], (48, 1)).astype(np.float32), _MIDDLE)
    seal_bundle(folder, info.model_copy(update={"decisions": decisions}))
    return folder


_MIDDLE = np.array([2.4, -2.4], np.float32)


def with_golden(folder: Path) -> Bundle:
    """The bundle with golden pictures and what it says of them."""
    files = draw_golden_pictures()
    (folder / "golden").mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    bundle = read_bundle(folder)
    with Classifier(bundle) as classifier:
        golden = play_golden(classifier, files)
    seal_bundle(folder, bundle.info.model_copy(update={"golden": golden}))
    return read_bundle(folder)
