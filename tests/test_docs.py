"""What can be used is documented: commands, flags, settings, errors and exit codes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from photograft import errors
from photograft.cli.main import BROKEN_PIPE, INTERRUPTED, TERMINATED, app
from photograft.config.reference import render

DOCS = Path(__file__).resolve().parent.parent / "docs"
MOST_FLAGS = 12

COMMAND: Any = typer.main.get_command(app)
ERRORS = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, errors.PhotograftError)]


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its full name: ("config show", command)."""
    if not hasattr(command, "commands"):
        yield name, command
    for key, child in getattr(command, "commands", {}).items():
        yield from commands(child, f"{name} {key}".strip())


@pytest.mark.parametrize(("name", "command"), list(commands(COMMAND, "")))
def test_command_and_its_flags_are_in_the_guide(name: str, command: Any) -> None:
    guide = DOCS / "guides" / f"{name.split()[0]}.md"
    text = guide.read_text("utf-8")
    assert f"photograft {name}" in text
    flags = [flag for each in command.params for flag in (*each.opts, *each.secondary_opts) if flag.startswith("-")]
    missing = [flag for flag in flags if not re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", text)]
    assert not missing, f"{guide.name} does not mention {missing}"
    assert len([each for each in command.params if each.param_type_name == "option"]) <= MOST_FLAGS
    assert command.help, f"photograft {name} has no help text"


def test_settings_reference_is_fresh() -> None:
    assert (DOCS / "reference" / "settings.md").read_text("utf-8") == render(), "run `make docs`"


@pytest.mark.parametrize("error", ERRORS)
def test_error_is_documented_with_its_exit_code(error: type[errors.PhotograftError]) -> None:
    rows = [line for line in errors_page().splitlines() if f"`{error.__name__}`" in line]
    assert any(f"| {error.exit_code} |" in row for row in rows)


@pytest.mark.parametrize("code", [*range(7), INTERRUPTED, BROKEN_PIPE, TERMINATED])
def test_exit_code_is_documented(code: int) -> None:
    assert re.search(rf"^\| {code} \| \w", errors_page(), flags=re.MULTILINE)


def errors_page() -> str:
    return (DOCS / "reference" / "errors.md").read_text("utf-8")
