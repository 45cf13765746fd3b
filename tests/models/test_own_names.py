from __future__ import annotations

import json
from pathlib import Path

import pytest

from photograft.config import load_config
from photograft.errors import ConfigError
from photograft.models.catalogue import (
    OwnBackbone,
    RunBackbone,
    backbone_from_json,
    find_backbone,
)
from photograft.models.own_names import read_own_name
from photograft.workflow.resolve import with_whole_paths

SMALL = {"growth_rate": 4, "block_config": [2, 3], "num_init_features": 8}


def test_a_name_gives_sizes_and_scaling() -> None:
    plain, encoder = read_own_name("cnn:16-32-64"), read_own_name("autoencoder:32x5-instance")
    assert plain.sizes == {"widths": (16, 32, 64)} and plain.mean == plain.std == (0.5, 0.5, 0.5)
    assert encoder.sizes == {"width": 32, "n_blocks": 5, "norm": "instance"}
    assert read_own_name("autoencoder:8x2").sizes["norm"] == "batch" and encoder.title == encoder.name


def test_a_densenet_is_whole_without_its_file(tmp_path: Path) -> None:
    file = tmp_path / "작은 망.json"
    file.write_text(json.dumps(SMALL), "utf-8")
    own = read_own_name(f"densenet:{file}")
    file.unlink()
    assert own.name == (
        'densenet:{"block_config":[2,3],"bn_size":4,"drop_rate":0.0,"growth_rate":4,"num_init_features":8}'
    )
    assert read_own_name(own.name) == own and own.title == "densenet-2-3" and own.mean[0] == 0.485


def test_a_run_does_not_depend_on_the_file(tmp_path: Path) -> None:
    file = tmp_path / "sizes.json"
    file.write_text(json.dumps(SMALL), "utf-8")
    settled = with_whole_paths(load_config(None, [f"model.backbone=densenet:{file}", "model.weights=random"]))
    assert settled.model.backbone == read_own_name(f"densenet:{file}").name and settled.model.weights == "random"


def test_networks_of_members_do_not_depend_on_the_folder_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sizes.json").write_text(json.dumps(SMALL), "utf-8")
    Path("own.pth").write_bytes(b"")
    named = {"dense": "densenet:sizes.json", "before": "run:runs/그 런", "vit": "timm:test_vit"}
    given = [f"ensemble.members.{name}.backbone={backbone}" for name, backbone in named.items()]
    given += ["ensemble.members.vit.weights=own.pth", "ensemble.members.dense.weights=random"]
    members = with_whole_paths(load_config(None, given)).ensemble.members
    assert members["dense"].backbone == read_own_name("densenet:sizes.json").name
    assert members["before"].backbone == f"run:{tmp_path / 'runs' / '그 런'}"
    assert (members["vit"].backbone, members["vit"].weights) == ("timm:test_vit", tmp_path / "own.pth")
    assert members["dense"].weights == "random" and members["before"].model_fields_set == {"backbone"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cnn:16,32", r"model\.backbone: cnn:16,32: did you mean cnn:16-32\? .*as in cnn:16-32-64"),
        ("cnn", "Write the channels of its convolutions, as in cnn:16-32-64"),
        ("cnn:1-1-1-1-1-1-1", "1 to 6 convolutions"),
        ("cnn:0-4", "1 to 2048 channels"),
        ("autoencoder:32-5", r"did you mean autoencoder:32x5\? Write width x residual blocks"),
        ("autoencoder:32x5-inst", r"did you mean autoencoder:32x5-instance\?"),
        ("autoencoder:999x5", "at most 512"),
        ("densenet:", r"needs a file; give densenet:FILE\.json, whose content is as in \{"),
        ("densenet:nowhere.json", r"there is no file nowhere\.json"),
        ('densenet:{"growth_rat": 3}', r"growth_rat is not known; did you mean growth_rate\? Known are growth_rate, b"),
        ('densenet:{"growth_rate": 3, "block_config": [6]}', "num_init_features is missing"),
        ("densenet:{", r"densenet:\{\.\.\.\}: Invalid JSON.*\. Write \{\"growth_rate\": 32, "),
    ],
)
def test_a_wrong_name_leads_to_the_right_one(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_own_name(name)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"growth_rate": "32"}, r'growth_rate should be a valid integer, not "32"'),
        ({"block_config": [6, 0]}, r"block_config\.1 should be greater than or equal to 1, not 0"),
        ({"block_config": []}, "block_config"),
        ({"drop_rate": 1.5}, r"drop_rate should be less than 1, not 1\.5"),
        ({"num_classes": 5}, "num_classes is not known"),
    ],
)
def test_a_wrong_value_is_named_with_file_and_key(tmp_path: Path, changed: dict[str, object], said: str) -> None:
    file = tmp_path / "sizes.json"
    file.write_text(json.dumps(SMALL | changed), "utf-8")
    with pytest.raises(ConfigError, match=rf"model\.backbone: .*sizes\.json: .*{said}"):
        read_own_name(f"densenet:{file}")


def test_without_weights_the_ways_to_go_on_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cnn:4-8 comes without weights: .*graft=scratch.*model\.weights=random"):
        find_backbone("cnn:4-8", cache_dir=tmp_path)
    with pytest.raises(ConfigError, match=r"run:FOLDER of `photograft pretrain`"):
        find_backbone("autoencoder:4x1", cache_dir=tmp_path)
    with pytest.raises(ConfigError, match=r"model\.weights=FILE"):
        find_backbone(f"densenet:{json.dumps(SMALL)}", cache_dir=tmp_path)
    with pytest.raises(ConfigError, match=r"there is no file .*none\.pth"):
        find_backbone("cnn:4-8", weights=tmp_path / "none.pth", cache_dir=tmp_path)


def test_random_weights_are_a_network_of_their_own(tmp_path: Path) -> None:
    usual = find_backbone("efficientnet-lite0", cache_dir=tmp_path)
    random = find_backbone("efficientnet-lite0", weights="random", cache_dir=tmp_path)
    assert usual.has_weights and not random.has_weights
    assert usual.network_id(px=64, embedding="last") != random.network_id(px=64, embedding="last")
    own = find_backbone(f"densenet:{json.dumps(SMALL)}", weights="random", cache_dir=tmp_path)
    assert isinstance(own, OwnBackbone) and not own.has_weights and own.file_name == own.name == "densenet-2-3"
    assert backbone_from_json(own.to_json()) == own


def test_hidden_layers_and_pooling_belong_to_the_identity(tmp_path: Path) -> None:
    plain = find_backbone("efficientnet-lite0", cache_dir=tmp_path)
    average = find_backbone("efficientnet-lite0", pool="average", cache_dir=tmp_path)
    states = [plain, average, plain.with_hidden(("8",)), plain.with_hidden(("8 batchnorm",)), plain.with_hidden(("9",))]
    assert len({state.network_id(px=64, embedding="last") for state in states}) == 5
    assert plain.with_hidden(()) == plain and backbone_from_json(states[3].to_json()) == states[3]


def make_run(path: Path, *settings: str, tuned: bool) -> Path:
    from photograft.config import to_yaml

    path.mkdir()
    (path / "config.resolved.yaml").write_text(to_yaml(load_config(None, settings)), "utf-8")
    if tuned:
        (path / "network.safetensors").write_bytes(b"tensors")
    return path


def test_a_run_has_the_hidden_layers_that_it_trained(tmp_path: Path) -> None:
    sizes = ("model.backbone=cnn:4-8", "model.hidden=[8,4 batchnorm]", "input.px=96")
    first = make_run(tmp_path / "first", *sizes, "model.pool=average", tuned=True)
    second = make_run(tmp_path / "second", f"model.backbone=run:{first}", "input.px=96", tuned=True)
    for run in (first, second):
        found = find_backbone(f"run:{run}", cache_dir=tmp_path)
        assert isinstance(found, RunBackbone) and found.built_as == "cnn:4-8" and found.own_px == 96
        assert (found.hidden, found.pool) == (("8", "4 batchnorm"), "average")
        with pytest.raises(ConfigError, match=r"model\.hidden: run:.* has hidden layers already \(8, 4 batchnorm\)"):
            found.with_hidden(("2",))
    with pytest.raises(ConfigError, match=r"model\.weights: run:.* has weights of its own; model\.graft=scratch"):
        find_backbone(f"run:{first}", weights="random", cache_dir=tmp_path)


def test_what_a_run_did_not_take_over_is_not_gone_on_from(tmp_path: Path) -> None:
    """Runs that ship the average of their folds have no one network: they are gone on from where they began."""
    folds = make_run(tmp_path / "folds", "model.hidden=[8]", "model.pool=average", tuned=False)
    found = find_backbone(f"run:{folds}", cache_dir=tmp_path)
    assert (found.name, found.hidden, found.pool) == ("efficientnet-lite0", (), "average")
    then = make_run(tmp_path / "then", f"model.backbone=run:{folds}", tuned=True)
    assert find_backbone(f"run:{then}", cache_dir=tmp_path).hidden == ()


@pytest.mark.parametrize("verb", ["train", "pretrain"])
def test_a_run_that_was_stopped_has_no_network_yet(tmp_path: Path, verb: str) -> None:
    run = make_run(tmp_path / "내 run", "model.backbone=autoencoder:4x1", "model.graft=scratch", tuned=False)
    (run / "started.json").write_text(json.dumps({"photos": 'a "pretrain"', "verb": verb}, indent=2), "utf-8")
    with pytest.raises(ConfigError, match=rf"is not finished: .*`photograft {verb} --resume '.*내 run'`"):
        find_backbone(f"run:{run}", cache_dir=tmp_path)
