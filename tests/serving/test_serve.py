"""The server of predictions over real sockets: what it answers."""

from __future__ import annotations

import base64
import json
import queue
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import numpy as np
import pytest
from PIL import Image

import photograft
from photograft.errors import ModelError
from photograft.inference.classifier import Classifier
from photograft.serving.answers import HeatMap, Model, Predictions
from photograft.serving.serve import serve
from photograft.workflow.train import TrainedRun

from .served import Served, served, told


@pytest.fixture(scope="module")
def server(tiny_run: TrainedRun) -> Iterator[Served]:
    with served(tiny_run.bundle) as opened:
        yield opened


@pytest.fixture(scope="module")
def photos(photo_folder: Path) -> list[Path]:
    return sorted(photo_folder.rglob("*.*"))[::7]


@pytest.fixture(scope="module")
def name(server: Served) -> str:
    return str(server.client.get("/v1/model").json()["name"])


def infer(server: Served, name: str, document: dict[str, Any], behind: bytes | None = None) -> httpx.Response:
    body = json.dumps(document).encode()
    headers = {"content-type": "application/json"}
    if behind is not None:
        headers["Inference-Header-Content-Length"] = str(len(body))
    return server.client.post(f"/v2/models/{name}/infer", content=body + (behind or b""), headers=headers)


def test_the_server_says_what_the_classifier_says(
    server: Served, photos: list[Path], tiny_classifier: Classifier
) -> None:
    files = [("files", (path.name, path.read_bytes())) for path in photos]
    answer = server.client.post("/v1/predict", files=files, params={"top": 2}).json()
    Predictions.model_validate(answer)
    for row, path in zip(answer["predictions"], photos, strict=True):
        expected = tiny_classifier.predict(path)
        assert (row["name"], row["status"], row["label"]) == (path.name, expected.status, expected.label)
        assert row["probability"] == pytest.approx(expected.probability, abs=1e-4)
        assert [each["label"] for each in row["top"]] == [label for label, _ in expected.top[:2]]
        alone = server.predict(path.read_bytes(), top=2)
        assert alone["name"] == "photo 1" and alone["label"] == expected.label


def test_a_bad_photo_is_a_row_among_others(server: Served, photos: list[Path]) -> None:
    good = photos[0].read_bytes()
    cut = good[: len(good) // 2]
    files = [("files", ("<b>&\x1b\u202e.jpg", cut)), ("files", ("좋은.jpg", good)), ("files", ("empty", b""))]
    rows = server.client.post("/v1/predict", files=files).json()["predictions"]
    assert [row["status"] for row in rows] == ["rejected", rows[1]["status"], "rejected"]
    assert rows[1]["label"] and rows[1]["name"] == "좋은.jpg"
    assert rows[0]["label"] is None and rows[0]["reason"].startswith("truncated") and not rows[0]["top"]
    assert rows[2]["reason"].startswith("empty")
    assert "\u202e" not in rows[0]["name"] and "\x1b" not in rows[0]["name"]


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b"", "image/jpeg", (422, "no_photo")),
        (b"--x--\r\n", "multipart/form-data; boundary=x", (422, "no_photo")),
        (b"--x\r\n", "multipart/form-data; boundary=x", (422, "bad_form")),
        (b"nothing", "multipart/form-data; boundary=x", (422, "bad_form")),
        (b"--x--\r\n", "multipart/form-data", (422, "bad_form")),
        (
            b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\n1\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
            (422, "bad_form"),
        ),
        (
            b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\n1',
            "multipart/form-data; boundary=x",
            (422, "bad_form"),
        ),
    ],
)
def test_forms_that_cannot_be_read(server: Served, body: bytes, kind: str, expected: tuple[int, str]) -> None:
    assert told(server.client.post("/v1/predict", content=body, headers={"content-type": kind})) == expected


def test_errors_have_one_form(server: Served) -> None:
    client = server.client
    assert told(client.get("/nowhere")) == (404, "not_found")
    assert told(client.get("/assets/../api.py")) == (404, "not_found")
    assert told(client.get("/v1/predict")) == (405, "wrong_method")
    assert client.get("/v1/predict").headers["allow"] == "POST"
    assert told(client.post("/v1/predict", params={"top": 0}, content=b"x")) == (422, "bad_request")
    assert told(client.post("/v1/predict", params={"top": "x"}, content=b"x")) == (422, "bad_request")
    assert told(client.post("/v1/predict", params={"head": "x"}, content=b"x")) == (422, "unknown_head")
    assert told(client.post("/v1/similar", content=b"x")) == (404, "no_index")
    assert told(client.get("/v1/thumbnails/0123456789abcdef")) == (404, "no_index")
    assert told(client.get("/v2/models/x")) == (404, "unknown_model")


def test_what_the_model_is(server: Served, tiny_classifier: Classifier) -> None:
    told_of = server.client.get("/v1/model").json()
    Model.model_validate(told_of)
    assert tuple(told_of["classes"]) == tiny_classifier.classes
    assert told_of["limits"] == {"body_bytes": 20_000_000, "files": 32, "pixels": 50_000_000, "photo_seconds": 5.0}
    assert "not learned from" in told_of["tested"]["sentence"] and told_of["index"] is None


def test_a_heat_map(server: Served, photos: list[Path]) -> None:
    data = photos[0].read_bytes()
    label = server.predict(data)["label"]
    answer = server.client.post("/v1/heat-map", content=data).json()
    HeatMap.model_validate(answer)
    assert answer["label"] == label and answer["window"] == [0, 0, 1, 1]
    grid = np.array(answer["grid"])
    assert grid.shape == (56, 56) and grid.min() >= 0 and grid.max() == 1
    other = server.client.post("/v1/heat-map", content=data, params={"label": "daisy"}).json()
    assert other["label"] == "daisy"
    assert told(server.client.post("/v1/heat-map", content=data, params={"label": "x"})) == (422, "unknown_label")
    assert told(server.client.post("/v1/heat-map", content=b"no photo")) == (422, "rejected")


def test_the_open_inference_protocol(server: Served, name: str, photos: list[Path]) -> None:
    client = server.client
    assert client.get("/v2").json()["name"] == "photograft"
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get(f"/v2/models/{name}/ready").json() == {"name": name, "ready": True}
    assert [each["datatype"] for each in client.get(f"/v2/models/{name}").json()["inputs"]] == ["BYTES", "UINT8"]
    data = photos[0].read_bytes()
    expected = server.predict(data)
    image = {"name": "image", "datatype": "BYTES", "shape": [2]}
    texts = [base64.b64encode(data).decode(), base64.b64encode(b"no photo").decode()]
    answer = infer(server, name, {"id": "가", "inputs": [{**image, "data": texts}]}).json()
    outputs = {each["name"]: each["data"] for each in answer["outputs"]}
    assert answer["id"] == "가" and answer["model_name"] == name
    assert outputs["label"] == [expected["label"], ""] and outputs["status"][1] == "rejected"
    assert outputs["probability"] == pytest.approx([expected["probability"], 0], abs=1e-4)
    assert len(outputs["probabilities"]) == 6
    behind = b"".join(struct.pack("<I", len(each)) + each for each in (data, b"no photo"))
    binary = infer(server, name, {"inputs": [image], "outputs": [{"name": "label"}]}, behind).json()
    assert [each["data"] for each in binary["outputs"]] == [outputs["label"]]


def test_pixels_by_the_open_inference_protocol(server: Served, name: str, photos: list[Path]) -> None:
    path = next(each for each in photos if each.suffix == ".png")
    pixels = np.asarray(Image.open(path).convert("RGB"))
    tensor = {"name": "pixels", "datatype": "UINT8", "shape": [1, *pixels.shape]}
    expected = server.predict(path.read_bytes())
    for answer in (
        infer(server, name, {"inputs": [{**tensor, "data": pixels[None].tolist()}]}),
        infer(server, name, {"inputs": [{**tensor, "data": pixels.ravel().tolist()}]}),
        infer(server, name, {"inputs": [tensor]}, pixels.tobytes()),
    ):
        outputs = {each["name"]: each["data"] for each in answer.json()["outputs"]}
        assert outputs["label"] == [expected["label"]]
        assert outputs["probability"] == pytest.approx([expected["probability"]], abs=1e-4)


@pytest.mark.parametrize(
    "tensor",
    [
        {"name": "image", "datatype": "BYTES", "shape": [2], "data": ["AAAA"]},
        {"name": "image", "datatype": "BYTES", "shape": [1], "data": ["no base64!"]},
        {"name": "image", "datatype": "BYTES", "shape": [1], "data": "AAAA"},
        {"name": "image", "datatype": "BYTES", "shape": [-1], "data": []},
        {"name": "image", "datatype": "UINT8", "shape": [1], "data": [1]},
        {"name": "pixels", "datatype": "UINT8", "shape": [1, 2, 2, 3], "data": [256] * 12},
        {"name": "pixels", "datatype": "UINT8", "shape": [1, 2, 2, 3], "data": [[1, 2], [3]]},
        {"name": "pixels", "datatype": "UINT8", "shape": [1, 2, 2, 4], "data": [1] * 16},
        {"name": "pixels", "datatype": "UINT8", "shape": [1, 99999999999, 9999999999, 3], "data": [1]},
        {"name": "pixels", "datatype": "FP32", "shape": [1, 1, 1, 3], "data": [1, 1, 1]},
    ],
)
def test_tensors_that_do_not_fit(server: Served, name: str, tensor: dict[str, Any]) -> None:
    status, code = told(infer(server, name, {"inputs": [tensor]}))
    assert (status, code) == (422, "bad_tensor")


def test_json_that_is_deep_or_none(server: Served, name: str) -> None:
    for body in (b"[" * 1_000_000, b"", b"{}", b'{"inputs":[]}', b"\xff"):
        answer = server.client.post(f"/v2/models/{name}/infer", content=body)
        assert told(answer) == (422, "bad_tensor")


def test_metrics_are_what_prometheus_reads(server: Served) -> None:
    server.predict(b"no photo")
    answer = server.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = answer.text
    assert 'photograft_requests_total{route="/v1/predict",status="200"}' in text
    assert 'photograft_rejected_photos_total{verdict="not_an_image"}' in text
    assert "photograft_queue_photos 0.0" in text and "photograft_batch_photos_bucket" in text
    assert float(next(line.split()[1] for line in text.splitlines() if line.startswith("photograft_resident"))) > 1e7


def test_the_page_comes_from_the_same_place(server: Served) -> None:
    page = server.client.get("/")
    assert page.status_code == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"] and "set-cookie" not in page.headers


def test_the_openapi_file_fits_its_schema(server: Served) -> None:
    document = server.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    known = {"/v1/predict", "/v1/similar", "/v1/heat-map", "/v1/model", "/healthz", "/readyz", "/metrics", "/v2"}
    assert known <= set(document["paths"])
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_several_heads_in_one_server(tiny_run: TrainedRun, tmp_path: Path, photos: list[Path]) -> None:
    other = Path(shutil.copytree(tiny_run.bundle, tmp_path / "다른 머리"))
    what: queue.SimpleQueue[str] = queue.SimpleQueue()
    with served([tiny_run.bundle, other], told=what.put) as both:
        assert what.get() == f"{tiny_run.run.name} and 다른 머리"
        row = both.predict(photos[0].read_bytes())
        first, second = row["heads"]
        assert second == "다른 머리" and row["heads"][first]["label"] == row["label"]
        only = both.predict(photos[0].read_bytes(), head=second)
        assert "heads" not in only and only["label"] == row["label"]
        assert [each["name"] for each in both.client.get("/v1/model").json()["heads"]] == [first, second]


def test_similar_photos(tiny_run: TrainedRun, photo_folder: Path, photos: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "닮은 사진.index"
    photograft.build_index(tiny_run.bundle, [photo_folder], folder)
    what: queue.SimpleQueue[str] = queue.SimpleQueue()
    with served(tiny_run.bundle, index=folder, told=what.put) as searched:
        assert what.get() == f"{tiny_run.run.name} (with an index of 60 photos)"
        post = searched.client.post
        matches = post("/v1/similar", content=photos[0].read_bytes(), params={"top": 3}).json()["matches"]
        assert len(matches) == 3 and matches[0]["similarity"] == pytest.approx(1, abs=1e-3)
        assert Path(matches[0]["path"]).name == photos[0].name
        thumbnail = searched.client.get(matches[0]["thumbnail"])
        assert thumbnail.headers["content-type"] == "image/jpeg" and thumbnail.content.startswith(b"\xff\xd8")
        assert told(searched.client.get("/v1/thumbnails/0123456789abcdef")) == (404, "no_thumbnail")
        assert told(searched.client.get("/v1/thumbnails/..%2f..%2fcatalogue")) == (404, "not_found")
        assert told(post("/v1/similar", content=b"x", params={"label": "x"})) == (422, "rejected")
        asked = {"content": photos[0].read_bytes(), "params": {"label": "no such label"}}
        refused = post("/v1/similar", **asked)
        assert told(refused) == (422, "nothing_to_search")
        labels = "its labels are: daisy, sun flower, 노란 튤립."
        assert refused.json()["error"]["message"] == f"No photo of the index has this label; {labels}"
        both = post("/v1/similar", content=asked["content"], params={"label": "daisy", "folder": "nowhere"})
        assert "has this label and lies in this folder; its labels are: daisy" in both.json()["error"]["message"]
        daisies = post("/v1/similar", content=photos[0].read_bytes(), params={"label": "daisy"}).json()["matches"]
        assert {each["label"] for each in daisies} == {"daisy"}
        assert searched.client.get("/v1/model").json()["index"] == {"photos": 60}


def test_what_cannot_be_served(tiny_run: TrainedRun, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        serve(tmp_path / "nothing", port=0)
    with pytest.raises(ModelError, match="index"):
        serve(tiny_run.bundle, port=0, index=tmp_path)
