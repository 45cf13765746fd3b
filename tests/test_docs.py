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
MORE_FLAGS = {"train": 13}  # with --on, which every verb has that a cluster can do

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
    assert len([each for each in command.params if each.param_type_name == "option"]) <= MORE_FLAGS.get(
        name, MOST_FLAGS
    )
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


def test_every_page_is_reached_from_the_list_of_guides() -> None:
    listed = set(LINK.findall((DOCS / "guides" / "README.md").read_text("utf-8")))
    pages = [*DOCS.glob("guides/*.md"), *DOCS.glob("concepts/*.md")]
    names = {page.name if page.parent.name == "guides" else f"../concepts/{page.name}" for page in pages}
    assert names - {"README.md"} <= listed


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.relative_to(DOCS).as_posix())
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    links = LINK.findall(README_BLOCK.sub("", page.read_text("utf-8")))
    assert not [link for link in links if "://" not in link and not (page.parent / link).exists()]


def test_both_readmes_hold_the_same_commands_and_output() -> None:
    english, korean = (README_BLOCK.findall(text) for text in readmes())
    assert english and korean == english


@pytest.mark.parametrize("what", ["headings", "code", "links", "figures"])
def test_both_readmes_say_the_same_in_every_section(what: str) -> None:
    english, korean = (sections(text) for text in readmes())
    assert len(korean) == len(english)
    for one, other in zip(english, korean, strict=True):
        heading = one.partition("\n")[0]
        assert parts(other)[what] == parts(one)[what], f"README.ko.md has other {what} than README.md: {heading}"


def test_both_readmes_have_the_same_tables() -> None:
    english, korean = (re.findall(r"^\|.*\|$", README_BLOCK.sub("", text), re.MULTILINE) for text in readmes())
    assert len(korean) == len(english)
    for one, other in zip(english, korean, strict=True):
        assert [figures(cell) for cell in other.split("|")] == [figures(cell) for cell in one.split("|")]


LINK = re.compile(r"\]\(([^)#\s]+)")
README_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def readmes() -> list[str]:
    """README.md and README.ko.md without the line that leads from one to the other."""
    texts = [(DOCS.parent / name).read_text("utf-8") for name in ("README.md", "README.ko.md")]
    return [re.sub(r"^\[\w+\]\(README(\.ko)?\.md\)\n\n", "", text, flags=re.MULTILINE) for text in texts]


def sections(text: str) -> list[str]:
    return re.split(r"^(?=#)", README_BLOCK.sub("", text), flags=re.MULTILINE)


def parts(section: str) -> dict[str, list[str]]:
    """What a translation keeps, in any order, since sentences of other languages have another."""
    return {
        "headings": re.findall(r"^#+", section, re.MULTILINE),
        "code": sorted(re.findall(r"`[^`]+`", section)),
        "links": sorted(re.findall(r"\]\(([^)]+)\)", section)),
        "figures": figures(section),
    }


def figures(text: str) -> list[str]:
    """Numbers of several digits, sorted; small ones may be words in one language and digits in the other."""
    return sorted(number for number in re.findall(r"\d[\d.,]*\d", text))
