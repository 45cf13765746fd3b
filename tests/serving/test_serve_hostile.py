"""The server of predictions under files and requests that mean it harm, and in the long run."""

from __future__ import annotations

import csv
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

import photograft
from photograft.inference.classifier import Classifier
from photograft.workflow.train import TrainedRun

from .served import served, serving_process, slow_photo

CLIENTS = 8


@pytest.mark.slow
def test_the_bad_images_of_eight_clients_take_nothing_down(
    tiny_run: TrainedRun, photo_folder: Path, tiny_classifier: Classifier, shared_data: Path
) -> None:
    """Every file of the corpus by eight clients, beside ones that take long, while a ninth gets right answers."""
    corpus = shared_data / "badimages"
    with (corpus / "manifest.csv").open(encoding="utf-8") as rows:
        expected = {row["file"]: row["expect"] for row in csv.DictReader(rows)}
    photos = sorted(photo_folder.rglob("*.*"))[::9]
    labels = [tiny_classifier.predict(path).label for path in photos]
    files = [(name, (corpus / name).read_bytes()) for name in expected if (corpus / name).is_file()]
    assert len(files) > 200
    done = threading.Event()
    with served(tiny_run.bundle, limits={"body_mb": 60.0, "photo_seconds": 2.0}) as server:

        def attack(number: int) -> dict[str, str]:
            verdicts = {}
            turned = files[number * 39 :] + files[: number * 39]
            with httpx.Client(base_url=server.address, trust_env=False, timeout=120) as client:
                for i, (name, data) in enumerate(turned):
                    if i % 120 == number:
                        client.post("/v1/predict", content=slow_photo() + bytes([number, i % 256]))
                    answer = client.post("/v1/predict", content=data or b" ")
                    assert answer.status_code == 200, (name, answer.text)
                    verdicts[name] = answer.json()["predictions"][0]["status"]
            return verdicts

        def ask() -> list[float]:
            seconds = []
            with httpx.Client(base_url=server.address, trust_env=False, timeout=120) as client:
                while not done.is_set():
                    for path, label in zip(photos, labels, strict=True):
                        started = time.perf_counter()
                        row = client.post("/v1/predict", content=path.read_bytes()).json()["predictions"][0]
                        seconds.append(time.perf_counter() - started)
                        assert row["label"] == label
            return seconds

        with ThreadPoolExecutor(CLIENTS + 1) as pool:
            ninth = pool.submit(ask)
            said = list(pool.map(attack, range(CLIENTS)))
            done.set()
            seconds = ninth.result()
        assert server.client.get("/readyz").status_code == 200
    assert len(seconds) > 20 and max(seconds) < 15
    wrong = {
        name
        for verdicts in said
        for name, status in verdicts.items()
        if (status == "rejected") != (expected[name] == "reject") and expected[name] in ("ok", "reject")
    }
    assert not wrong


@pytest.mark.slow
def test_memory_does_not_grow(tiny_run: TrainedRun, photo_folder: Path) -> None:
    photos = [path.read_bytes() for path in sorted(photo_folder.rglob("*.*"))]
    with serving_process(tiny_run.bundle) as (address, process):

        def ask(n: int) -> None:
            with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
                for i in range(n):
                    if i % 10 == 9:
                        client.post("v1/predict", files=[("files", photos[(i + k) % len(photos)]) for k in range(4)])
                    else:
                        client.post("v1/predict", content=photos[i % len(photos)] if i % 5 else b"no photo" * 1000)

        def resident() -> int:
            return int(psutil.Process(process.pid).memory_info().rss)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(ask, [250] * 4))
            before = resident()
            list(pool.map(ask, [750] * 4))
        assert resident() - before < 20 * 2**20


# What the file cannot say: that bytes are a photo, where a request is about one alone; and of the tensors that are
# taken it describes a file, of which a request may hold more, or pixels instead.
CONFIG = """
checks.negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "405", "413", "422"]

[[operations]]
include-path = ["/v1/similar", "/v1/heat-map"]
checks.positive_data_acceptance.enabled = false

[[operations]]
include-path = "/v2/models/{name}/infer"
checks.negative_data_rejection.enabled = false
"""


@pytest.mark.slow
@pytest.mark.parametrize("token", [None, "abc"])
def test_the_openapi_file_is_true(tiny_run: TrainedRun, photo_folder: Path, tmp_path: Path, token: str | None) -> None:
    """Requests made up from the file, fitting ones and others: every answer is as the file says."""
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    photograft.build_index(tiny_run.bundle, [photo_folder], tmp_path / "index")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(tmp_path / "schemathesis.toml"), "run"]
    with served(tiny_run.bundle, token=token, index=tmp_path / "index") as server:
        options = ["--max-examples", "40", "--seed", "1", "--no-color", "--generation-database", "none"]
        options += [] if token is None else ["--header", f"Authorization: Bearer {token}"]
        url = f"{server.address}openapi.json"
        done = subprocess.run([*command, url, *options], capture_output=True, encoding="utf-8", cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "Tested: 14" in done.stdout
