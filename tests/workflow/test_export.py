"""Exports are whole, verified, and open in the programs that they are for."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import yaml
from jsonschema import Draft202012Validator
from PIL import Image
from tests.inference.tiny_bundles import Draft, several_labels, two_factors

import photograft
from photograft.cli.main import main
from photograft.errors import ConfigError, DataError, MissingExtraError, ModelError
from photograft.inference.classifier import Classifier
from photograft.models.bundle import read_bundle, seal_bundle
from photograft.reporting.export_texts import export_lines
from photograft.schemas import load_schema
from photograft.workflow import export_verification
from photograft.workflow.export import RECORD, Exported, export
from photograft.workflow.train import TrainedRun

pytest.importorskip("onnx")


@pytest.fixture(autouse=True)
def _quick_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_verification, "_PASSES", (3, 3))


@pytest.fixture(scope="module")
def exported(tiny_run: TrainedRun, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The model of `tiny_run` as one ONNX file, compared on the photos of the run."""
    return export(tiny_run.run, "onnx", out=tmp_path_factory.mktemp("exported") / "내 모델 onnx")


def test_one_file_opens_in_bare_onnxruntime(
    exported: Exported, tiny_run: TrainedRun, tiny_classifier: Classifier, photo_folder: Path
) -> None:
    done = exported
    photo = sorted(photo_folder.rglob("*.png"))[0]
    pixels = np.asarray(Image.open(photo).convert("RGB").resize((64, 64), Image.Resampling.BICUBIC))[None]
    session = onnxruntime.InferenceSession(done.folder / "model.onnx")
    probabilities = session.run(["probabilities"], {"pixels": pixels})[0][0]
    labels = json.loads(session.get_modelmeta().custom_metadata_map["labels"])
    said: Any = tiny_classifier.predict(photo)
    assert dict(zip(labels, probabilities.tolist(), strict=True)) == pytest.approx(dict(said.top), abs=1e-4)
    bundled, row = done.document["rows"]
    assert (row["agreement"], row["same_status"]) == (1.0, 1.0) and row["golden_difference"] < 1e-4
    for each in (bundled, row):
        assert 0 < each["photos_per_second_low"] <= each["photos_per_second"] <= each["photos_per_second_high"]
    assert done.document["photos"]["n"] == 60
    kept = {key: value for key, value in done.document.items() if key != "notes"}
    assert json.loads((done.folder / RECORD).read_bytes()) == kept | {"bundle": tiny_run.run.name}
    assert set(done.document["files"]) == {"model.onnx", "README.md"}


def test_the_card_is_that_of_a_hub(exported: Exported, tiny_run: TrainedRun) -> None:
    _, head, text = (exported.folder / "README.md").read_text("utf-8").split("---\n", 2)
    card = yaml.safe_load(head)
    (model,) = card["model-index"]
    metrics = {metric["name"]: metric["value"] for metric in model["results"][0]["metrics"]}
    tested = read_bundle(tiny_run.bundle).info.tested
    assert metrics["accuracy"] == pytest.approx(tested["accuracy"], abs=1e-4)
    assert (card["license"], card["library_name"], card["pipeline_tag"]) == (
        "apache-2.0",
        "onnx",
        "image-classification",
    )
    assert "노란 튤립" in text and "InferenceSession" in text


@pytest.mark.slow
def test_labelled_photos_tell_what_changed(
    tiny_run: TrainedRun, make_photo_folder: Callable[..., Path], tmp_path: Path
) -> None:
    photos = make_photo_folder(tmp_path / "new photos", n=8, seed=5)
    done = export(tiny_run.run, "onnx-int8", out=tmp_path / "int8", photos=[str(photos)])
    row = done.document["rows"][1]
    assert done.document["calibration"]["n"] == 12 and done.document["photos"]["n"] == 12
    assert row["change_low"] <= row["change"] <= row["change_high"] and row["agreement"] >= 0.9
    network = done.document["rows"][0]["size_bytes"]
    assert row["size_bytes"] < 0.45 * network
    lines = "\n".join(export_lines(slowed(done.to_json())))
    assert "onnx-int8 is slower than the bundle on this machine." in lines
    assert "labelled photos of" in lines and "95 % interval" in lines


def test_photos_that_the_model_was_trained_on_are_counted(
    tiny_run: TrainedRun, photo_folder: Path, tmp_path: Path
) -> None:
    done = export(tiny_run.run, "onnx", out=tmp_path / "x", photos=[str(photo_folder)])
    assert done.document["photos"]["seen"] == 60
    results = yaml.safe_load((done.folder / "README.md").read_text("utf-8").split("---\n", 2)[1])["model-index"]
    assert len(results[0]["results"]) == 1


def test_photos_without_labels_give_agreement_alone(bundle_copy: Path, photo_folder: Path, tmp_path: Path) -> None:
    some = [str(path) for path in sorted(photo_folder.rglob("*.jpg"))[:5]]
    done = export(bundle_copy, "onnx", out=tmp_path / "x", photos=[*some, str(tmp_path / "gone.jpg")])
    assert done.document["photos"] | {"what": ""} == {"what": "", "n": 5, "rejected": 1, "labelled": False, "seen": 0}
    assert "accuracy" not in done.document["rows"][1]
    assert some[0].rpartition("/")[2] in done.document["photos"]["what"]
    for content in [file.read_bytes() for file in done.folder.iterdir()]:  # which others get to see
        assert not any(str(place).encode() in content for place in (tmp_path, photo_folder, bundle_copy))


def test_photos_that_are_not_there_are_refused_by_name(bundle_copy: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--photos: .*typing mistake does not exist"):
        export(bundle_copy, "onnx", out=tmp_path / "x", photos=[str(tmp_path / "typing mistake")])
    assert not (tmp_path / "x").exists()


def test_what_a_form_has_no_use_for_is_refused(bundle_copy: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--photos: .*leave it out"):
        export(bundle_copy, "web", out=tmp_path / "x", photos=["some"])
    with pytest.raises(ConfigError, match=r"--runtime: only --to web"):
        export(bundle_copy, "onnx", out=tmp_path / "x", runtime=tmp_path)


def test_quantisation_without_photos_is_refused(bundle_copy: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"at least 8 photos .*no photos were given.* --photos FOLDER"):
        export(bundle_copy, "onnx-int8", out=tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_failed_verification_leaves_nothing_and_the_older_export(bundle_copy: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "모델"
    first = export(bundle_copy, "onnx", out=out)
    before = (first.folder / "model.onnx").read_bytes()
    info = read_bundle(bundle_copy).info
    wrong = [row.model_copy(update={"outputs": {"label": (1.0, 0.0, 0.0)}}) for row in info.golden]
    seal_bundle(bundle_copy, info.model_copy(update={"golden": tuple(wrong)}))
    with pytest.raises(ModelError, match=r"other probabilities of the golden pictures .* Nothing was written"):
        export(bundle_copy, "onnx", out=out, force=True)
    assert (out / "model.onnx").read_bytes() == before
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_nothing_but_an_older_export_is_replaced(
    bundle_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "x"
    export(bundle_copy, "onnx", out=out)
    with pytest.raises(ConfigError, match="is there already; --force replaces"):
        export(bundle_copy, "onnx", out=out)
    (out / "old").write_text("")
    export(bundle_copy, "onnx", out=out, force=True)
    assert not (out / "old").exists()
    real = Path.rename
    fails = lambda path, to: real(path, to) if path.name != "new" else path.joinpath("gone").unlink()  # noqa: E731
    with monkeypatch.context() as patched, pytest.raises(OSError, match="gone"):
        patched.setattr(Path, "rename", fails)
        export(bundle_copy, "onnx", out=out, force=True)
    assert (out / RECORD).is_file() and [path.name for path in tmp_path.iterdir() if path.name.startswith(".x")] == []
    other = tmp_path / "photos"
    other.mkdir()
    with pytest.raises(ConfigError, match="is no export"):
        export(bundle_copy, "onnx", out=other, force=True)
    assert other.is_dir()


@pytest.mark.parametrize(
    ("form", "module", "extra"),
    [("onnx", "onnx", "train"), ("openvino", "openvino", "openvino"), ("timm", "timm", "train")],
)
def test_a_missing_part_is_named(
    form: Any, module: str, extra: str, bundle_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"--to {form} needs .*photograft\[{extra}\]"):
        export(bundle_copy, form, out=tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_openvino_says_the_same(tiny_run: TrainedRun, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    done = export(tiny_run.run, "openvino", out=tmp_path / "내 모델")
    assert done.document["rows"][1]["max_difference"] < 1e-4
    model = openvino.Core().read_model(done.folder / "model.xml")
    labels = json.loads(model.get_rt_info(["photograft", "labels"]).astype(str))
    assert tuple(labels) == read_bundle(tiny_run.bundle).classes
    assert [port.get_any_name() for port in model.inputs] == ["pixels"]


def test_several_labels_and_factors_are_compared(tmp_path: Path, photo_folder: Path) -> None:
    some = [str(path) for path in sorted(photo_folder.rglob("*.jpg"))[:4]]
    done = export(several_labels(tmp_path / "several").write(), "onnx", out=tmp_path / "x", photos=some)
    assert done.document["rows"][1]["agreement"] == 1.0


@pytest.mark.parametrize(
    ("setting", "make"),
    [
        ("input.flip=false", lambda folder: Draft(folder).network("a", 16, flip=True)),
        ("input.crops=whole", lambda folder: Draft(folder).network("a", 14, crops="five")),
    ],
)
def test_timm_names_what_to_set(setting: str, make: Callable[[Path], Draft], tmp_path: Path) -> None:
    if importlib.util.find_spec("timm") is None:
        pytest.skip("needs timm")
    folder = make(tmp_path / "model").target("label", ("a", "b"), ["a"]).write()
    with pytest.raises(ModelError, match=setting):
        export(folder, "timm", out=tmp_path / "x")


def test_timm_refuses_the_multi_stage_embedding_by_name(tiny_run: TrainedRun, tmp_path: Path) -> None:
    if importlib.util.find_spec("timm") is None:
        pytest.skip("needs timm")
    with pytest.raises(ModelError, match=r"2,128 numbers.*1,280.*--set model.embedding=last\."):
        export(tiny_run.run, "timm", out=tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_command_prints_a_table_or_json(
    tiny_run: TrainedRun, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(tiny_run.bundle), "--to", "onnx", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    Draft202012Validator(load_schema("export")).validate(value)
    assert value["export"] == f"{tiny_run.run.name}-onnx" and Path(value["export"]).is_dir()
    assert main(["export", str(tiny_run.bundle), "--to", "onnx"]) == 2
    assert main(["export", str(tiny_run.bundle), "--to", "onnx", "--force"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["size", "photos/s", "same", "answer", "largest", "difference"]
    assert [line.split()[0] for line in out[1:3]] == ["bundle", "onnx"]
    assert main(["export", str(two_factors(tmp_path / "two").write()), "--to", "onnx"]) == 4


@pytest.mark.slow
def test_no_form_but_timm_imports_torch(tiny_run: TrainedRun, tmp_path: Path) -> None:
    forms = ["onnx", "onnx-int8", *(["openvino"] if importlib.util.find_spec("openvino") else [])]
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('torch', 'timm', 'torchvision'))); import photograft\n"
        f"for form in {forms}: photograft.export({str(tiny_run.run)!r}, form, out={str(tmp_path)!r} + '/' + form)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert {path.name for path in tmp_path.iterdir()} == set(forms)


@pytest.mark.slow
@pytest.mark.parametrize("graft", ["head", "last-block"])
def test_bare_timm_gives_the_same_logits(graft: str, photo_folder: Path, tmp_path: Path) -> None:
    """Of a frozen and a tuned network, at its temperature, opened by a path with spaces and Hangul."""
    timm, torch = pytest.importorskip("timm"), pytest.importorskip("torch")
    settings = ["input.px=64", "model.embedding=last", f"model.graft={graft}", "input.flip=false"]
    if graft != "head":
        settings += ["train.blend=false", "train.epochs=2", "augment.views=1"]
    config = photograft.load_config(None, settings, quality="fast")
    run = photograft.train(photo_folder, config=config, runs_dir=tmp_path / "runs")
    done = export(run.run, "timm", out=tmp_path / "내 timm 모델")
    network = timm.create_model(f"local-dir:{done.folder}", pretrained=True).eval()
    assert tuple(network.pretrained_cfg["label_names"]) == read_bundle(run.bundle).classes
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
    photo = sorted(photo_folder.rglob("*.png"))[0]
    with torch.no_grad():
        logits = network(transform(Image.open(photo).convert("RGB"))[None])
    said: Any = photograft.load(run.bundle).predict(photo)
    probabilities = dict(zip(network.pretrained_cfg["label_names"], logits.softmax(1)[0].tolist(), strict=True))
    assert probabilities == pytest.approx(dict(said.top), abs=1e-3)


def slowed(document: dict[str, Any]) -> dict[str, Any]:
    """The same of an export that always takes twice as long as the bundle."""
    bundled, row = document["rows"]
    half = {key: bundled["photos_per_second_low"] / 2 for key in row if key.startswith("photos_per_second")}
    return document | {"rows": [bundled, row | half]}
