"""`check --on ray`: the document of the plain command."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from photograft.cli.main import main

pa = pytest.importorskip("pyarrow", reason="needs the extra `ray`")
pytest.importorskip("ray", reason="needs the extra `ray`")


def test_out_needs_on(photo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(photo_folder), "--out", str(tmp_path / "out")]) == 2
    assert "--on ray" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.ray
def test_equal_to_the_plain_command(
    make_photo_folder: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    photos = make_photo_folder(tmp_path / "나의 사진", n=40)
    shutil.copy(photos / "daisy/daisy 00.jpg", photos / "sun flower/again.jpg")
    (photos / "daisy" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (photos / "daisy" / os.fsdecode(b"d\xff\xfe.jpg")).write_bytes(b"")
    found = {}
    for name, more in (("plain", []), ("on ray", ["--on", "ray", "--html", "page.html", "--out", "표"])):
        assert main(["check", str(photos), "--json", *more]) == 3
        found[name] = json.loads(capsys.readouterr().out)
        del found[name]["seconds"]
    assert found["on ray"] == found["plain"]
    assert {issue["kind"] for issue in found["plain"]["issues"]} >= {"rejected", "label_conflict"}
    table = pa.parquet.read_table("표/parts")
    assert table.num_rows == found["plain"]["photos"]["found"] == 123
    assert Path("page.html").is_file()
    assert main(["check", str(photos), "--on", "ray", "--out", "표"]) == 3
    assert "All 123 photos were read before" in capsys.readouterr().err
