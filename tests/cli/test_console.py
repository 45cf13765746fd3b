"""Output of the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from photograft.cli import console


def test_json_is_utf8_whatever_the_locale() -> None:
    code = r"from photograft.cli.console import print_json; print_json({'이름': 'b\udcff', 'a': 1})"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    out = subprocess.check_output([sys.executable, "-c", code], env=environment).decode("utf-8")
    assert "이름" in out and json.loads(out) == {"이름": "b\udcff", "a": 1}
    assert list(json.loads(out)) == ["이름", "a"]


def test_json_refuses_nan() -> None:
    with pytest.raises(ValueError, match="JSON"):
        console.print_json({"x": float("nan")})


def test_progress_off_a_terminal_is_plain_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 4.0, 6.0, 7.0, 10.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    with console.progress(1000, "scan") as bar:
        bar.advance(100)
        bar.advance(200)
        bar.advance(700)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == ["scan: 300/1,000, 50.0/s, 14 s left", "scan: 1,000/1,000 in 10 s, 100.0/s"]


def test_short_work_is_silent_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress(2, "scan") as bar:
        bar.advance(2)
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("no_color", [False, True])
def test_progress_on_a_terminal_is_a_bar(no_color: bool) -> None:
    import pty

    code = (
        "import time\nfrom photograft.cli.console import progress\n"
        "with progress(3, '스캔 [1]') as bar:\n    for _ in range(3): bar.advance(); time.sleep(0.1)\n"
    )
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "NO_COLOR": "1" if no_color else ""}
    ours, theirs = pty.openpty()
    done = subprocess.run([sys.executable, "-c", code], stderr=theirs, stdout=-1, env=environment)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode("utf-8")
    os.close(ours)
    assert (done.returncode, done.stdout) == (0, b"")
    assert "스캔 [1]" in shown and "3/3" in shown
    assert ("\x1b[38;" in shown) is not no_color
