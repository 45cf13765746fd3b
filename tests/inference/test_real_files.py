from __future__ import annotations

from pathlib import Path

import pytest

from photograft.config.data import DataConfig
from photograft.data.files import FolderFiles
from photograft.data.listing import Found
from photograft.data.pool import DecodePool
from photograft.data.scan import Scan, scan
from photograft.inference.classifier import Classifier


@pytest.mark.slow
def test_prediction_and_scan_agree_on_every_hostile_file(shared_data: Path, tiny_classifier: Classifier) -> None:
    root = shared_data / "badimages"
    files = [Found(p.relative_to(root).as_posix()) for p in sorted(root.rglob("*")) if p.is_file()]
    contract = tiny_classifier.bundle.contract
    # One file takes ten seconds, which is the default limit: it must be far above the limit, or chance decides.
    limits = DataConfig(timeout_s=1.5)
    with DecodePool(contract, timeout_s=limits.timeout_s) as pool:
        scanned = scan(files, Scan(FolderFiles(root), limits, contract), pool, needs_pixels=lambda _: False)
        verdicts = {item.photo.path: item.photo.verdict for item in scanned}
    with Classifier(tiny_classifier.bundle, data=limits) as classifier:
        predicted = classifier.predict([root / f.path for f in files])
    assert isinstance(predicted, list) and len(predicted) == len(files) > 300
    # Whether a photo that can be used is also unsure or unfamiliar is no question to the scan.
    assert all((p.status == "rejected") == bool(p.reason) for p in predicted)
    found = {f.path: p.reason.split(":")[0] or "ok" for f, p in zip(files, predicted, strict=True)}
    assert found == verdicts
