"""A mirrored run on the pages of the real `mlflow ui`, which needs the whole mlflow package.

``PHOTOGRAFT_MLFLOW`` names its command where it is installed in an environment of its own.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.reporting.training_examples import make_training
from tests.tracking.run_examples import make_run
from tests.workflow.finished import change_json

from photograft.reporting.training import training_document
from photograft.workflow.mirror import mirror_run

# mlflow-skinny has the command too, but no server.
MLFLOW = os.environ.get("PHOTOGRAFT_MLFLOW") or (importlib.util.find_spec("flask") and shutil.which("mlflow")) or ""
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
STARTS_S = 120

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not MLFLOW, reason="needs the server of the whole mlflow package: PHOTOGRAFT_MLFLOW names it"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # what mlflow uses of SQLAlchemy
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server of a store with one mirrored run."""
    pytest.importorskip("mlflow")
    place = tmp_path_factory.mktemp("거울 mirror")
    run = make_run(place / "runs" / "2026-11-22-꽃 사진", accuracy=0.875)
    (run / "checksums.json").unlink()
    change_json(run / "report.json", lambda report: report.update(training_document(make_training())))
    uri = f"sqlite:///{(place / 'mlflow.db').as_posix()}"
    mirror_run(run, mlflow=uri)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [MLFLOW, "ui", "--backend-store-uri", uri, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with (place / "server.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=place)
        try:
            _wait(f"http://127.0.0.1:{port}/health", server, place / "server.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            for process in [*psutil.Process(server.pid).children(recursive=True), server]:
                process.kill()
            server.wait()


def _wait(health: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + STARTS_S
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(health, timeout=5)
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
        else:
            return
    raise AssertionError(f"mlflow ui did not start: {log.read_text('utf-8', 'replace')[-2000:]}")


def ask(address: str, what: str, question: dict[str, Any]) -> Any:
    body = json.dumps(question).encode()
    request = urllib.request.Request(f"{address}/api/2.0/mlflow/{what}", body, {"content-type": "application/json"})
    return json.load(urllib.request.urlopen(request, timeout=60))


def find_copy(address: str) -> Any:
    (experiment,) = [
        e for e in ask(address, "experiments/search", {"max_results": 10})["experiments"] if e["name"] == "꽃"
    ]
    (copy,) = ask(address, "runs/search", {"experiment_ids": [experiment["experiment_id"]]})["runs"]
    return copy


def test_the_server_tells_run_and_metrics(address: str) -> None:
    copy = find_copy(address)
    assert (copy["info"]["run_name"], copy["info"]["status"]) == ("2026-11-22-꽃 사진", "FINISHED")
    metrics = {metric["key"]: metric["value"] for metric in copy["data"]["metrics"]}
    assert metrics["accuracy"] == 0.875 and "train/val_loss" in metrics


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
def test_the_page_shows_run_and_metrics(address: str) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    info = find_copy(address)["info"]
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 2000})
        page.set_default_timeout(60_000)
        page.goto(f"{address}/#/experiments/{info['experiment_id']}/runs/{info['run_id']}")
        for text in ("2026-11-22-꽃 사진", "macro_f1", "accuracy_low", "train/val_loss", "version.photograft"):
            page.get_by_text(text).first.wait_for(state="attached")
        browser.close()
