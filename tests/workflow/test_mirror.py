"""Copies of runs, read back through MLflow's own client and TensorBoard's own reader."""

from __future__ import annotations

import datetime
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import pytest
from tests.reporting.training_examples import make_members, make_records, make_training
from tests.tracking.run_examples import make_run, make_stopped
from tests.workflow.finished import change_json, copy_run

import photograft
from photograft.config.track import TrackConfig
from photograft.errors import ConfigError, MissingExtraError, ModelError
from photograft.reporting.training import training_document
from photograft.tracking.run_notes import change_tags, set_note
from photograft.workflow.mirror import mirror_finished, mirror_run, read_mirrored
from photograft.workflow.train import TrainedRun

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # what mlflow uses of SQLAlchemy

CREATED = "2026-11-22T10:00:00+00:00"
BEGAN_S = datetime.datetime.fromisoformat(CREATED).timestamp() - 60


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A fine-tuned run with tags, a note, and a setting whose name needs quotes."""
    folder = make_run(tmp_path / "내 runs" / "2026-11-22-꽃 사진", "train.epochs=8", accuracy=0.9, created=CREATED)
    (folder / "checksums.json").unlink()
    change_json(folder / "report.json", lambda report: report.update(training_document(make_training())))
    change_json(
        folder / "report.json", lambda r: r["settings"]["model"].update({"factors": {"나이 | x": {"loss": "auto"}}})
    )
    (folder / "report.html").write_text("<p>Yes.", encoding="utf-8")
    (folder / "big.csv").write_bytes(bytes(1_000_001))
    (folder / "model").mkdir()
    (folder / "model" / "bundle.json").write_text("{}", encoding="utf-8")
    change_tags(folder, add=["keep", "최고"])
    set_note(folder, "the best so far")
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for MLflow's database, which takes seconds to make."""
    pytest.importorskip("mlflow")
    return tmp_path_factory.mktemp("거울 mirror")


def uri_of(store: Path) -> str:
    return f"sqlite:///{(store / 'mlflow.db').as_posix()}"


def client_of(store: Path) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=uri_of(store))


def copies(store: Path, group: str = "꽃") -> list[Any]:
    client = client_of(store)
    experiment = client.get_experiment_by_name(group)
    return [] if experiment is None else list(client.search_runs([experiment.experiment_id]))


def test_mlflow_gets_what_the_folder_holds(run: Path, store: Path) -> None:
    assert mirror_run(run, mlflow=uri_of(store)).made == ("MLflow",)
    client, (copy,) = client_of(store), copies(store)
    assert (copy.info.run_name, copy.info.status) == ("2026-11-22-꽃 사진", "FINISHED")
    assert (copy.info.start_time, copy.info.end_time) == (1000 * BEGAN_S, 1000 * (BEGAN_S + 60))
    assert copy.data.params["train.epochs"] == "8" and copy.data.params["split.file"] == "null"
    assert copy.data.params["model.factors.나이 _ x.loss"] == "auto"
    metrics = copy.data.metrics
    assert (metrics["accuracy"], metrics["accuracy_low"], metrics["accuracy_high"]) == (0.9, 0.8, 1.0)
    assert (metrics["n"], metrics["macro_f1"]) == (50, 0.8)
    losses = client.get_metric_history(copy.info.run_id, "train/val_loss")
    expected = [record for record in make_records() if record.val_loss is not None]
    assert [(each.step, each.value) for each in losses] == [(record.step, record.val_loss) for record in expected]
    assert losses[1].timestamp == 1000 * (BEGAN_S + 52)
    tags = copy.data.tags
    assert (tags["data_sha256"], tags["version.photograft"], tags["judged"]) == ("ab", "0.1.0", "test")
    assert (tags["tags"], tags["mlflow.note.content"]) == ("keep, 최고", "the best so far")
    names = {file.path for file in client.list_artifacts(copy.info.run_id)}
    assert {"report.html", "report.json", "config.resolved.yaml"} <= names and not names & {"big.csv", "model"}
    kept = Path(url2pathname(urlparse(copy.info.artifact_uri).path)) / "report.html"
    assert kept.read_text("utf-8") == "<p>Yes." and kept.is_relative_to(store / "mlartifacts")


def test_copying_again_changes_nothing_wherever_the_run_is_now(run: Path, store: Path, tmp_path: Path) -> None:
    mirror_run(run, mlflow=uri_of(store), tensorboard=tmp_path / "tb")
    before = [copy.to_dictionary() for copy in copies(store)]
    moved = Path(shutil.move(run, tmp_path / "moved"))
    again = mirror_run(moved, mlflow=uri_of(store), tensorboard=tmp_path / "tb")
    assert again.known[0] == "MLflow"
    assert [copy.to_dictionary() for copy in copies(store)] == before


def test_a_copy_that_was_cut_off_is_made_again(run: Path, store: Path) -> None:
    client, mirrored = client_of(store), read_mirrored(run)
    change_json(run / "run.json", lambda origin: origin.update(photos="/photos/cut", seconds={"train": 1}))
    mirrored = read_mirrored(run)
    experiment = client.create_experiment("cut", artifact_location=(store / "mlartifacts").as_uri())
    half = client.create_run(experiment, tags={"photograft.run": mirrored.id})
    assert mirror_run(run, mlflow=uri_of(store)).made == ("MLflow",)
    (copy,) = copies(store, "cut")
    assert copy.info.run_id != half.info.run_id and copy.data.metrics["accuracy"] == 0.9


def test_the_bundle_is_copied_where_it_is_asked_for(run: Path, store: Path) -> None:
    change_json(run / "run.json", lambda origin: origin.update(photos="/photos/whole"))
    mirror_run(run, mlflow=uri_of(store), network=True)
    (copy,) = copies(store, "whole")
    assert [file.path for file in client_of(store).list_artifacts(copy.info.run_id, "model")] == ["model/bundle.json"]


def test_tensorboard_gets_scores_and_curves(run: Path, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    assert mirror_run(run, tensorboard=tmp_path / "tb").made == ("TensorBoard",)
    assert mirror_run(run, tensorboard=tmp_path / "tb").known == ("TensorBoard",)
    (folder,) = (tmp_path / "tb").iterdir()
    assert folder.name == "2026-11-22-꽃 사진"
    events = accumulator.EventAccumulator(str(folder))
    events.Reload()
    assert [each.value for each in events.Scalars("accuracy")] == [pytest.approx(0.9)]
    losses = events.Scalars("train/val_loss")
    assert [each.step for each in losses] == [30 * i for i in range(1, 9)]
    assert [each.value for each in losses] == pytest.approx([record.val_loss for record in make_records()])
    assert losses[0].wall_time == BEGAN_S + 26
    (text,) = events.Tensors("settings")
    assert "| train.epochs | 8 |" in text.tensor_proto.string_val[0].decode()
    plugin = events.SummaryMetadata("_hparams_/session_start_info").plugin_data
    assert plugin.plugin_name == "hparams"


def test_another_run_of_the_same_name_gets_a_folder_of_its_own(run: Path, tmp_path: Path) -> None:
    mirror_run(run, tensorboard=tmp_path / "tb")
    change_json(run / "run.json", lambda origin: origin.update(command="another"))
    for _ in range(2):
        mirror_run(run, tensorboard=tmp_path / "tb")
    first, second = sorted(folder.name for folder in (tmp_path / "tb").iterdir())
    assert second.startswith(f"{first}-")


def test_members_and_factors_have_names_of_their_own(run: Path) -> None:
    change_json(run / "report.json", lambda report: report.pop("training"))
    change_json(run / "report.json", lambda report: report.update(training_document(make_members())))
    metrics = {point.metric for point in read_mirrored(run).points}
    assert {"나이/train/val_loss", "<b>gender</b>/fold 2/val_accuracy"} <= metrics


def test_scores_of_factors_are_copied_once(run: Path) -> None:
    scores = {"accuracy": 0.9, "accuracy_low": 0.8, "accuracy_high": 0.95}

    def by_factor(report: Any) -> None:
        report["evaluations"][0]["scores"]["factors"] = {"나이": scores}
        report["evaluations"][0]["factors"] = [{"name": "나이", "scores": scores}]

    before = read_mirrored(run).scores
    change_json(run / "report.json", by_factor)
    assert read_mirrored(run).scores == before | {f"나이/{name}": value for name, value in scores.items()}


def test_a_run_of_pretrain_says_when_it_was_made_in_its_report(run: Path) -> None:
    change_json(run / "run.json", lambda origin: origin.pop("created"))
    change_json(run / "report.json", lambda report: report.update(created=CREATED))
    assert read_mirrored(run).began_s == BEGAN_S


def test_what_cannot_be_mirrored_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--mlflow URI, --tensorboard DIR"):
        mirror_run(run)
    with pytest.raises(ConfigError, match=r"runs\.db is neither a SQLite file"):
        mirror_run(run, mlflow="runs.db")
    with pytest.raises(ModelError, match="cannot be mirrored: stopped: photograft train --resume"):
        mirror_run(make_stopped(tmp_path / "stopped"), tensorboard=tmp_path / "tb")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be used"):
        mirror_run(run, tensorboard=tmp_path / "file")
    with pytest.raises(ConfigError, match="cannot be used"):
        mirror_run(run, mlflow=f"sqlite:///{(tmp_path / 'file' / 'x.db').as_posix()}")


@pytest.mark.parametrize(
    ("module", "extra"),
    [("mlflow.tracking", "mlflow"), ("tensorboard.summary.writer.event_file_writer", "tensorboard")],
)
def test_a_missing_extra_is_named(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    place: Callable[[], object] = {
        "mlflow": lambda: mirror_run(run, mlflow=uri_of(tmp_path)),
        "tensorboard": lambda: mirror_run(run, tensorboard=tmp_path),
    }[extra]
    with pytest.raises(MissingExtraError, match=rf"photograft\[{extra}\]"):
        place()


def test_what_fails_is_a_warning_that_says_how_to_make_up_for_it(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    track = TrackConfig(tensorboard=tmp_path / "file")
    (warning,) = mirror_finished(run, track)
    assert warning.startswith("track.tensorboard: the run was not copied.")
    assert f"photograft runs mirror '{run}' --tensorboard {tmp_path / 'file'}" in warning
    assert mirror_finished(run, TrackConfig()) == []


@pytest.mark.slow
def test_train_copies_the_run_at_its_end(photo_folder: Path, tiny_config: photograft.Config, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    track = TrackConfig(mlflow=f"sqlite:///{(tmp_path / 'file' / 'x.db').as_posix()}", tensorboard=tmp_path / "tb")
    config = tiny_config.model_copy(update={"track": track})
    done = photograft.train(photo_folder, config=config, runs_dir=tmp_path / "runs")
    assert [folder.name for folder in (tmp_path / "tb").iterdir()] == [done.run.name]
    assert [text for text in done.warnings if text.startswith("track.mlflow: the run was not copied.")]
    (done.run / "checksums.json").read_bytes()


def test_a_real_run_without_epochs(tiny_run: TrainedRun, tmp_path: Path) -> None:
    mirrored = read_mirrored(copy_run(tiny_run.run, tmp_path / "copy"))
    assert list(mirrored.scores)[:3] == ["accuracy", "accuracy_low", "accuracy_high"]
    assert mirrored.points == () and mirrored.settings["quality"] == "fast"
    assert json.loads(mirrored.settings["input.px"]) == 64
    assert {"label_doubts.csv", "confusion.csv", "report.html"} <= {file.name for file in mirrored.files}
