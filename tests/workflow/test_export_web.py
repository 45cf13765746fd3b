"""Where the browser's runtime comes from, and what is said where it cannot be had. The page itself: `*_browser.py`."""

from __future__ import annotations

import io
import os
import stat
import sys
import tarfile
from pathlib import Path

import pytest

from photograft.errors import ConfigError
from photograft.workflow import export_web as module
from photograft.workflow.export_web import RUNTIME_VERSION, find_runtime

BOTH_WAYS = ("npm", "--runtime")


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(tmp_path / "캐시"))
    return tmp_path / "캐시"


def test_without_npm_both_ways_are_named(empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError) as raised:
        find_runtime()
    assert all(way in str(raised.value) for way in BOTH_WAYS)
    assert not empty_cache.exists()


def test_a_folder_without_the_runtime_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--runtime: .*아무것도.* does not hold ort\.wasm"):
        find_runtime(tmp_path / "아무것도 없음")


@pytest.mark.parametrize("place", [".", "dist", "package/dist", "node_modules/onnxruntime-web/dist"])
def test_another_version_is_refused_wherever_it_lies(tmp_path: Path, place: str) -> None:
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    for name in module._RUNTIME:
        (tmp_path / place / name).write_bytes(b"another version")
    with pytest.raises(ConfigError, match=rf"another version than onnxruntime-web {RUNTIME_VERSION}"):
        find_runtime(tmp_path)


def make_npm(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is called npm, before all others."""
    if os.name != "posix":
        pytest.skip("needs a program with a #! line")
    program = folder / "npm"
    program.write_text(f"#!{sys.executable}\nimport pathlib, sys\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))


def test_a_package_with_another_hash_is_never_unpacked(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as package:
        for name in module._RUNTIME:
            content = b"something else"
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(content)
            package.addfile(member, io.BytesIO(content))
    (tmp_path / "package.tgz").write_bytes(buffer.getvalue())
    script = f"""
folder = pathlib.Path(sys.argv[sys.argv.index("--pack-destination") + 1])
(folder / "onnxruntime-web.tgz").write_bytes(pathlib.Path({str(tmp_path / "package.tgz")!r}).read_bytes())"""
    make_npm(tmp_path, script, monkeypatch)
    with pytest.raises(ConfigError, match="its SHA-512 differs"):
        find_runtime()
    assert not empty_cache.exists()


def test_what_npm_complains_about_is_told(empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_npm(tmp_path, 'sys.exit("npm error code ECONNREFUSED")', monkeypatch)
    with pytest.raises(ConfigError, match=r"could not fetch .*npm error code ECONNREFUSED") as raised:
        find_runtime()
    assert all(way in str(raised.value) for way in BOTH_WAYS)
