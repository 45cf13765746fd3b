from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from photograft.config import load_config, to_yaml
from photograft.data.hashing import hash_file
from photograft.errors import ConfigError, IntegrityError, ModelError
from photograft.models.catalogue import (
    BACKBONES,
    LibraryBackbone,
    RunBackbone,
    backbone_from_json,
    find_backbone,
    find_packaged,
)
from photograft.tracking.run_folder import RunFolder


def make_run(path: Path, *settings: str, network: bytes | None = None) -> Path:
    path.mkdir(parents=True)
    (path / "config.resolved.yaml").write_text(to_yaml(load_config(None, settings)), "utf-8")
    if network is not None:
        (path / "network.safetensors").write_bytes(network)
    return path


def test_a_run_that_tuned_nothing_has_the_network_it_began_with(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "model.backbone=efficientnet-lite1")
    assert find_backbone(f"run:{run}") == find_packaged("efficientnet-lite1")


def test_a_tuned_run_has_a_network_of_its_own(tmp_path: Path) -> None:
    run = make_run(tmp_path / "실행 1", network=b"tensors")
    found = find_backbone(f"run:{run}")
    assert isinstance(found, RunBackbone) and found.check_weights() == run / "network.safetensors"
    assert (found.name, found.architecture, found.licence) == ("run:실행 1", "efficientnet-lite0", "Apache-2.0")
    assert found.weights_sha256 == hash_file(run / "network.safetensors") and found.mean == (0.5, 0.5, 0.5)
    ids = {each.network_id(px=64, embedding="multi") for each in (found, BACKBONES[0])}
    assert len(ids) == 2 and found.file_name == "efficientnet-lite0"
    moved = make_run(tmp_path / "elsewhere", network=b"tensors")
    assert find_backbone(f"run:{moved}").network_id(px=64, embedding="multi") in ids


def test_runs_of_runs_go_back_to_the_first_one(tmp_path: Path) -> None:
    first = make_run(tmp_path / "a", "model.mean=[0.1,0.2,0.3]", "model.std=[1,1,1]", network=b"first")
    second = make_run(tmp_path / "b", f"model.backbone=run:{first}")
    third = make_run(tmp_path / "c", f"model.backbone=run:{second}", network=b"third")
    assert find_backbone(f"run:{second}") == find_backbone(f"run:{first}")
    found = find_backbone(f"run:{third}")
    assert found.name == "run:c" and found.architecture == "efficientnet-lite0" and found.mean == (0.1, 0.2, 0.3)
    (first / "config.resolved.yaml").unlink()
    with pytest.raises(ConfigError, match=r"model\.backbone: .*a is not a photograft run"):
        find_backbone(f"run:{third}")


def test_what_is_no_run_or_was_changed_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.backbone: .*nowhere is not a photograft run.*run:runs/"):
        find_backbone(f"run:{tmp_path / 'nowhere'}")
    run = make_run(tmp_path / "run", network=b"tensors")
    with pytest.raises(ConfigError, match=r"model\.weights: run:.* has weights of its own"):
        find_backbone(f"run:{run}", weights=tmp_path / "x.pth")
    RunFolder(run).seal()
    assert find_backbone(f"run:{run}").name == "run:run"
    (run / "network.safetensors").write_bytes(b"others!")
    with pytest.raises(IntegrityError, match=r"network\.safetensors was changed"):
        find_backbone(f"run:{run}")


def test_another_normalisation_is_another_network(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", network=b"tensors")
    for name in ("efficientnet-lite0", f"run:{run}"):
        usual = find_backbone(name)
        other = find_backbone(name, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
        assert other.mean == (0.485, 0.456, 0.406) and other.std == (0.229, 0.224, 0.225)
        assert usual.network_id(px=64, embedding="multi") != other.network_id(px=64, embedding="multi")
        assert find_backbone(name, mean=usual.mean, std=usual.std) == usual


def test_backbones_are_told_to_other_processes_as_text(tmp_path: Path) -> None:
    run = make_run(tmp_path / "줄\n바꿈", network=b"tensors")
    half = (0.5, 0.5, 0.5)
    odd = tmp_path / ("caf\udce9.pth" if sys.platform == "linux" else "café.pth")
    library = LibraryBackbone("timm:x", "mit", "0" * 64, half, half, 224, False, odd)
    for backbone in (BACKBONES[2], find_backbone(f"run:{run}"), library):
        assert backbone_from_json(backbone.to_json()) == backbone


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A run on a small network whose last block was changed, and its embedder."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("timm")
    pytest.importorskip("onnxscript")
    from safetensors.torch import save_file

    from photograft.models.backbone import load_embedder
    from photograft.models.graft import graft
    from photograft.models.library import build_network

    folder = tmp_path_factory.mktemp("tuned")
    torch.manual_seed(0)
    weights = folder / "weights.safetensors"
    save_file({k: v.contiguous() for k, v in build_network("timm:test_resnet").state_dict().items()}, weights)
    settings = ("model.backbone=timm:test_resnet", f"model.weights={weights}", "model.graft=last-block")
    run = make_run(folder / "run", *settings)
    embedder = load_embedder(find_backbone("timm:test_resnet", weights=weights), px=64)
    cut = graft(embedder, "last-block", px=64, batchnorm="frozen")
    with torch.no_grad():
        for _, parameter in cut.tail.named_parameters():
            parameter.add_(0.01 * parameter.requires_grad)
    save_file(cut.state(), run / "network.safetensors")
    return run, embedder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of torch, about itself
def test_a_tuned_network_is_loaded_and_exported_like_any_other(tuned: tuple[Path, Any], tmp_path: Path) -> None:
    import onnxruntime
    import torch

    from photograft.models.backbone import load_embedder
    from photograft.models.networks import ensure_network, read_outputs

    run, embedder = tuned
    backbone = find_backbone(f"run:{run}")
    pixels_NHWC = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    with torch.no_grad():
        wanted_ND = embedder(torch.from_numpy(pixels_NHWC))[0].numpy()
        loaded_ND = load_embedder(backbone, px=64)(torch.from_numpy(pixels_NHWC))[0].numpy()
    assert np.array_equal(loaded_ND, wanted_ND)
    network = ensure_network(backbone, px=64, embedding="multi", cache_dir=tmp_path)
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    exported_ND = session.run(["embedding"], {"pixels": pixels_NHWC})[0]
    np.testing.assert_allclose(exported_ND, wanted_ND, rtol=1e-4, atol=1e-4)
    assert read_outputs(network).embedding == wanted_ND.shape[1]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of torch, about itself
def test_the_front_is_exported_once_and_gives_the_boundary(tuned: tuple[Path, Any], tmp_path: Path) -> None:
    import onnxruntime
    import torch

    from photograft.models.backbone import load_embedder
    from photograft.models.graft import graft
    from photograft.models.networks import ensure_front, front_file, is_intact, read_boundary, read_outputs

    backbone = find_backbone(f"run:{tuned[0]}")
    where = {"px": 64, "embedding": "multi", "cache_dir": tmp_path}
    path = ensure_front(backbone, "last-block", **where)
    assert path == front_file(backbone, "last-block", **where) and is_intact(path)
    cut = graft(load_embedder(backbone, px=64), "last-block", px=64, batchnorm="moved")
    assert read_boundary(path) == cut.boundary
    pixels_NHWC = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert cut.front is not None
    with torch.no_grad():
        wanted = [each.numpy() for each in cut.front(torch.from_numpy(pixels_NHWC))]
    found = session.run([value.name for value in cut.boundary], {"pixels": pixels_NHWC})
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    changed = path.stat().st_mtime_ns
    assert ensure_front(backbone, "last-block", **where).stat().st_mtime_ns == changed
    assert front_file(backbone, "blocks:2", **where) != path
    with pytest.raises(ModelError, match="damaged"):
        read_outputs(path)


@pytest.mark.slow
def test_a_front_that_cannot_be_made_is_explained(tuned: tuple[Path, Any], tmp_path: Path) -> None:
    from photograft.models.networks import ensure_front

    backbone = find_backbone(f"run:{tuned[0]}")
    with pytest.raises(ConfigError, match="5 blocks"):
        ensure_front(backbone, "blocks:9", px=64, embedding="multi", cache_dir=tmp_path)
    with pytest.raises(ModelError, match="freezes nothing"):
        ensure_front(backbone, "all", px=64, embedding="multi", cache_dir=tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of torch and timm, about themselves
def test_the_network_of_a_run_is_shown(tuned: tuple[Path, Any], capsys: pytest.CaptureFixture[str]) -> None:
    from photograft.cli.main import main

    assert main(["backbones", "show", f"run:{tuned[0]}"]) == 0
    shown = capsys.readouterr().out
    assert "run:run" in shown and "last-block" in shown and "from layer4 on" in shown and "layer:NAME" in shown
