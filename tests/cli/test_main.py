"""Exit codes, error lines and signals of the command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import typer

from photograft import __version__, errors
from photograft.cli import main as command
from photograft.cli.main import app, main


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Register a function as the verb `probe` for one test."""

    def register(function: Callable[[], Any]) -> None:
        monkeypatch.setattr(app, "registered_commands", list(app.registered_commands))
        app.command("probe")(function)

    return register


def raiser(error: BaseException) -> Callable[[], None]:
    def probe() -> None:
        """Fail."""
        raise error

    return probe


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.PhotograftError("x"), 1),
        (errors.ConfigError("x"), 2),
        (errors.DataError("x"), 3),
        (errors.ModelError("x"), 4),
        (errors.IntegrityError("x"), 4),
        (errors.TrainingError("x"), 5),
        (ZeroDivisionError("x"), 1),
        (OSError("x"), 1),
        (typer.Exit(6), 6),
        (KeyboardInterrupt(), 130),
        (SystemExit(7), 7),
        (BrokenPipeError("x"), 1),  # not our stdout: a real error
    ],
)
def test_exit_code_of_each_error(verb: Any, capfd: pytest.CaptureFixture[str], error: BaseException, code: int) -> None:
    verb(raiser(error))
    assert main(["probe"]) == code
    shown = capfd.readouterr()
    assert shown.out == "" and "Traceback" not in shown.err
    assert len(shown.err.splitlines()) == (0 if code in (6, 7) else 1)
    if isinstance(error, errors.PhotograftError):
        assert shown.err == "photograft: error: x\n"


def test_debug_shows_the_traceback(
    verb: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    verb(raiser(errors.DataError("x")))
    for arguments in (["probe", "--debug"], ["--debug", "probe"]):
        assert main(arguments) == 3
        assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("PHOTOGRAFT_DEBUG", "1")
    assert main(["probe"]) == 3
    assert "Traceback" in capsys.readouterr().err


def test_debug_behind_two_dashes_is_an_argument(verb: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def probe(name: str) -> None:
        """Repeat a name."""
        command.print_text(name)

    verb(probe)
    assert main(["probe", "--", "--debug"]) == 0
    assert capsys.readouterr().out == "--debug\n"


@pytest.mark.parametrize("arguments", [["nosuch"], ["--nosuch"], ["config"], ["config", "show", "--set"]])
def test_wrong_usage_is_exit_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith("photograft: error: ") and len(shown.err.splitlines()) == 1


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"photograft {__version__}\n"
    assert main([]) == 0
    assert "config" in capsys.readouterr().out


def test_module_runs_as_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "photograft", "nosuch"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_cleans_up_and_exits(number: int, code: int) -> None:
    program = """
import sys, time
from photograft.cli.main import app, main
@app.command("probe")
def probe() -> None:
    try:
        print("ready", flush=True)
        time.sleep(30)
    finally:
        print("cleaned", flush=True)
sys.exit(main(["probe"]))
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.read() == "cleaned\n"
        assert process.stderr.read() == "photograft: stopped\n"
    assert process.returncode == code


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
def test_closed_output_is_quiet() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-m", "photograft", "config", "show"], stdout=writer, stderr=-1)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
