"""The file that tells strangers, and the rows of bundle.json about decisions: what is read, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save
from tests.inference.tiny_bundles import Draft, decided, several_labels
from tests.models.test_bundle import edit

from photograft.errors import IntegrityError, ModelError
from photograft.models.bundle import read_bundle, seal_bundle
from photograft.models.bundle_rows import DecisionsRow
from photograft.models.decisions import FILE, Familiar, familiar_file, pack_levels, read_familiar, unpack_levels

FIRST_RELEASE = Path(__file__).parent / "bundle_format_1"


def test_what_was_written_is_read(tmp_path: Path) -> None:
    bundle = read_bundle(decided(tmp_path / "모델"))
    assert bundle.info.requires == ("core", "decisions")
    assert bundle.info.decisions.unsure is not None and bundle.info.decisions.unsure.min_probability == 0.75
    assert bundle.familiar is not None
    content = (bundle.folder / FILE).read_bytes()
    assert familiar_file(bundle.familiar) == content


def test_a_bundle_of_the_first_release_decides_nothing() -> None:
    bundle = read_bundle(FIRST_RELEASE)
    assert bundle.info.decisions == DecisionsRow() and bundle.familiar is None
    assert bundle.info.requires == ("core",)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: {**tensors, "basis": tensors["basis"][:, :-1]},
        lambda tensors: {**tensors, "whiten": tensors["whiten"][:-1]},
        lambda tensors: {**tensors, "mean": tensors["mean"][:0]},
        lambda tensors: {**tensors, "weights": tensors["weights"][:1]},
        lambda tensors: {**tensors, "scale": tensors["scale"] * 0},
        lambda tensors: {name: array for name, array in tensors.items() if name != "centre"},
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_name(tmp_path: Path, change: Callable[[Any], Any]) -> None:
    folder = decided(tmp_path / "model")
    info = read_bundle(folder).info
    (folder / FILE).write_bytes(save(change(load_file(folder / FILE))))
    seal_bundle(folder, info)
    with pytest.raises(IntegrityError, match=r"decisions.unfamiliar\.safetensors"):
        read_bundle(folder)


def test_a_file_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    folder = decided(tmp_path / "model")
    info = read_bundle(folder).info
    (folder / FILE).write_bytes(b"no tensors")
    with pytest.raises(IntegrityError, match=r"unfamiliar\.safetensors was changed or damaged"):
        read_bundle(folder)
    seal_bundle(folder, info)
    with pytest.raises(IntegrityError, match=r"unfamiliar\.safetensors does not hold"):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("row", "change", "named"),
    [
        ("unfamiliar", {"network": "other"}, "decisions.unfamiliar.network is other, not one of small"),
        ("unfamiliar", {"file": "decisions/other.safetensors"}, "decisions/other.safetensors is not a file"),
        ("unsure", {"min_probability": 1.5}, "min_probability must be from 0 to 1"),
        ("unsure", {"precision": 1.0}, "precision between them"),
    ],
)
def test_contradictions_are_named(tmp_path: Path, row: str, change: dict[str, Any], named: str) -> None:
    folder = decided(tmp_path / "model")
    edit(folder, lambda info: info.update({"decisions": info["decisions"] | {row: info["decisions"][row] | change}}))
    with pytest.raises(IntegrityError, match=named):
        read_bundle(folder)


def test_several_labels_are_never_unsure(tmp_path: Path) -> None:
    folder = several_labels(tmp_path / "model").write()
    unsure = {"min_probability": 0.5, "precision": 0.9, "n": 100}
    edit(folder, lambda info: info.update({"decisions": {"unsure": unsure}}))
    with pytest.raises(IntegrityError, match="not for heads of kind sigmoid"):
        read_bundle(folder)


def test_another_method_is_refused_as_of_a_newer_release(tmp_path: Path) -> None:
    folder = decided(tmp_path / "model")
    later = {"network": "small", "method": "later", "file": FILE, "limit": 1.0}
    edit(folder, lambda info: info.update({"decisions": {"unfamiliar": later}}))
    with pytest.raises(ModelError, match=r"decisions\.unfamiliar\.method.*newer release"):
        read_bundle(folder)


def test_the_file_is_read_for_its_network_alone(tmp_path: Path) -> None:
    file = tmp_path / "unfamiliar.safetensors"
    familiar = Familiar(
        np.zeros(4, np.float32),
        np.ones(4, np.float32),
        np.eye(2, 4, dtype=np.float16),
        np.eye(2, dtype=np.float32),
        np.zeros((3, 2), np.float32),
        np.ones(2, np.float32),
    )
    file.write_bytes(familiar_file(familiar))
    assert read_familiar(file, embedding=4).mean_KR.shape == (3, 2)
    with pytest.raises(IntegrityError, match="does not fit the network"):
        read_familiar(file, embedding=5)


@pytest.mark.parametrize("d", [1, 4, 5])
def test_numbers_of_four_bits_come_back(d: int) -> None:
    level_RD = np.random.default_rng(d).integers(-7, 8, (3, d)).astype(np.int8)
    packed = pack_levels(level_RD)
    assert packed.shape == (3, (d + 1) // 2) and np.array_equal(unpack_levels(packed, d), level_RD)


def test_how_two_numbers_share_a_byte() -> None:
    assert pack_levels(np.array([[-7, 7, 0]], np.int8)).tolist() == [[0xF1, 0x88]]


def four_bits(level_RD: list[list[int]]) -> Familiar:
    r, d = len(level_RD), len(level_RD[0])
    return Familiar(
        np.zeros(d, np.float32),
        np.ones(d, np.float32),
        pack_levels(np.array(level_RD, np.int8)),
        np.eye(r, dtype=np.float32),
        np.zeros((2, r), np.float32),
        np.ones(2, np.float32),
    )


def test_directions_of_four_bits_have_the_length_one(tmp_path: Path) -> None:
    file = tmp_path / "unfamiliar.safetensors"
    file.write_bytes(familiar_file(four_bits([[3, 0, -4], [0, 7, 0]])))
    familiar = read_familiar(file, embedding=3)
    assert familiar.method == "distance-energy-4bit"
    assert np.allclose(familiar.directions_RD, [[0.6, 0, -0.8], [0, 1, 0]])
    assert familiar_file(familiar) == file.read_bytes()
    with pytest.raises(IntegrityError, match="does not fit the network"):
        read_familiar(file, embedding=5)


def test_a_direction_without_a_length_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "unfamiliar.safetensors"
    file.write_bytes(familiar_file(four_bits([[1, 2], [0, 0]])))
    with pytest.raises(IntegrityError, match="does not fit the network"):
        read_familiar(file, embedding=2)


def test_a_draft_without_decisions_needs_no_more_than_before(tmp_path: Path) -> None:
    bundle = read_bundle(Draft(tmp_path / "model").network("small", 16).target("label", ("a", "b"), ["small"]).write())
    assert bundle.info.requires == ("core",) and bundle.familiar is None
