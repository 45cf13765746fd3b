from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import photograft
from photograft.contract import make_contract
from photograft.data.hashing import hash_file
from photograft.errors import IntegrityError, ModelError
from photograft.inference.golden import TOLERANCE, draw_golden_pictures
from photograft.models.bundle import check_files, read_bundle, seal_bundle, write_head
from photograft.models.bundle_rows import BundleInfo
from photograft.workflow.train import TrainedRun


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x10
    file.write_bytes(content)


def test_an_undamaged_bundle_is_verified(tiny_run: TrainedRun) -> None:
    found = photograft.verify(tiny_run.run)
    assert found.ok and found.problems == () and found.bundle == tiny_run.bundle
    assert found.n_files == len(check_files(tiny_run.bundle)) and found.n_golden == 2
    assert found.max_difference is not None and found.max_difference <= 1e-6


def test_it_moves_with_its_folder(bundle_copy: Path) -> None:
    moved = bundle_copy.rename(bundle_copy.parent / "다른 이름")
    assert photograft.verify(moved).ok


@pytest.mark.parametrize("name", ["networks/efficientnet-lite0-64.onnx", "heads/head.safetensors", "bundle.json"])
def test_a_flipped_bit_is_found_and_named(bundle_copy: Path, name: str) -> None:
    flip_a_bit(bundle_copy / name)
    found = photograft.verify(bundle_copy)
    assert not found.ok and found.n_golden == 0 and found.max_difference is None
    assert f"{name} was changed" in found.problems[0]


def test_another_head_with_matching_checksums_is_found_by_its_golden_outputs(bundle_copy: Path) -> None:
    bundle = read_bundle(bundle_copy)
    (head,) = bundle.heads.values()
    write_head(bundle_copy / "heads/head.safetensors", head.weight_DM[:, ::-1] * 1.01, head.bias_M)
    seal_bundle(bundle_copy, bundle.info)
    found = photograft.verify(bundle_copy)
    assert not found.ok and len(found.problems) == 2
    assert found.max_difference is not None and found.max_difference > TOLERANCE
    assert all("golden/picture" in p and "differ" in p for p in found.problems)


def test_a_file_that_was_added_is_a_problem_for_verify_alone(bundle_copy: Path) -> None:
    (bundle_copy / "notes.txt").write_text("mine")
    found = photograft.verify(bundle_copy)
    assert not found.ok and found.problems == ("notes.txt is not listed in checksums.json: it is not of this bundle",)
    assert found.n_golden == 2
    (bundle_copy / "notes.txt").rename(bundle_copy / ".notes")
    assert photograft.verify(bundle_copy).ok


def test_a_network_of_another_input_size_is_refused(bundle_copy: Path) -> None:
    info = read_bundle(bundle_copy).info
    contract = make_contract(96)
    row = info.contracts[0].model_copy(update={"id": contract.id, "contract": contract})
    network = info.networks[0].model_copy(update={"contract": contract.id})
    seal_bundle(bundle_copy, info.model_copy(update={"contracts": (row,), "networks": (network,)}))
    with pytest.raises(IntegrityError, match=r"takes 64 px.*96 px"):
        photograft.verify(bundle_copy)


def test_other_pixels_are_found(bundle_copy: Path) -> None:
    bundle = read_bundle(bundle_copy)
    golden = tuple(row.model_copy(update={"pixels_sha256": "0" * 64}) for row in bundle.info.golden)
    seal_bundle(bundle_copy, bundle.info.model_copy(update={"golden": golden}))
    found = photograft.verify(bundle_copy)
    assert len(found.problems) == 2 and "other pixels" in found.problems[0] and found.max_difference == 0


def test_without_golden_outputs_nothing_is_verified(bundle_copy: Path) -> None:
    seal_bundle(bundle_copy, read_bundle(bundle_copy).info.model_copy(update={"golden": ()}))
    with pytest.raises(IntegrityError, match="no golden outputs"):
        photograft.verify(bundle_copy)


def test_a_golden_picture_that_is_none_is_a_problem_of_the_model(bundle_copy: Path) -> None:
    (bundle_copy / "golden" / "picture.png").write_bytes(b"no picture")
    seal_bundle(bundle_copy, read_bundle_info(bundle_copy))
    found = photograft.verify(bundle_copy)
    assert not found.ok and "golden/picture.png" in found.problems[0]


def test_golden_outputs_of_another_number_of_classes_are_a_problem(bundle_copy: Path) -> None:
    info = read_bundle(bundle_copy).info
    golden = (info.golden[0].model_copy(update={"outputs": {"label": (1.0,)}}), info.golden[1])
    seal_bundle(bundle_copy, info.model_copy(update={"golden": golden}))
    found = photograft.verify(bundle_copy)
    assert not found.ok and "golden/picture" in found.problems[0]


def test_a_network_that_is_none_is_refused(bundle_copy: Path) -> None:
    bundle = read_bundle(bundle_copy)
    (file,) = bundle.networks.values()
    file.write_bytes(b"not a network")
    network = bundle.info.networks[0].model_copy(update={"sha256": hash_file(file)})
    seal_bundle(bundle_copy, bundle.info.model_copy(update={"networks": (network,)}))
    with pytest.raises(ModelError, match="not a network"):
        photograft.verify(bundle_copy)


def test_golden_pictures_are_always_the_same_and_no_ones_photos() -> None:
    one, two = draw_golden_pictures(), draw_golden_pictures()
    assert one == two and set(one) == {"golden/picture.png", "golden/picture.jpg"}
    assert all(np.frombuffer(content, np.uint8).std() > 10 for content in one.values())


def read_bundle_info(folder: Path) -> BundleInfo:
    """The info of a bundle whose files no longer match."""
    return BundleInfo.model_validate_json((folder / "bundle.json").read_bytes())
