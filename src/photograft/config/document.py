"""YAML as settings use it: the values of YAML 1.2, and nothing that runs, refers or repeats.

`1e-3` is a number; `no`, `off`, `yes` and `on` are text; a key stands once; tags, anchors and aliases are refused.
PyYAML parses (its safe loader follows YAML 1.1, so only its syntax tree is used, and values are read here).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from photograft.config.names import dotted_name

_NULL = re.compile(r"(~|null|Null|NULL|)\Z")
_BOOL = re.compile(r"(true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"[-+]?[0-9]+\Z")
_OCTAL_OR_HEX = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")
_PLAIN = re.compile(r"[^\W\d_][\w./-]*\Z")
_YAML_1_1 = re.compile(r"(yes|no|on|off|y|n)\Z", re.IGNORECASE)
_NEEDS_ESCAPE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")

_SPECIAL_START = "a value that starts with `*`, `&`, `!`, `%`, `@`, `>`, `|` or a backtick must stand in quotes"


@dataclass(frozen=True, slots=True)
class Given:
    """One setting as somebody wrote it: `path` of its name, plain `value`, and `origin` in words."""

    path: tuple[str, ...]
    value: Any
    origin: str

    @property
    def name(self) -> str:
        """The path as one name."""
        return dotted_name(self.path)


class DocumentProblem(Exception):
    """Text that cannot be read as settings; the message says where and why."""


def read_file(file: Path) -> tuple[list[Given], list[str]]:
    """Read a settings file into its entries, in order, and the problems that concern single keys.

    Raises DocumentProblem where the file as a whole cannot be read. An empty file has no entries.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DocumentProblem(f"the settings file {file} does not exist") from None
    except UnicodeDecodeError as error:
        raise DocumentProblem(f"{file} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise DocumentProblem(f"the settings file {file} cannot be read: {error.strerror}") from None
    root = _compose(text, origin=str(file))
    if root is None or (isinstance(root, yaml.ScalarNode) and root.style is None and not root.value):
        return [], []
    if not isinstance(root, yaml.MappingNode):
        raise DocumentProblem(f"{file} must hold settings by name, like `split:` and below it `  folds: 5`")
    problems: list[str] = []
    entries = list(_entries(root, file, problems))
    return entries, problems


def read_value(text: str) -> Any:
    """Read one value by the rules of the settings file, as `--set` needs it. Raises DocumentProblem."""
    node = _compose(text, origin="")
    if node is None:
        return None
    problems: list[str] = []
    value = _value(node, problems)
    if problems:
        raise DocumentProblem(problems[0])
    return value


def write_value(value: Any) -> str:
    """Write a plain value on one line, so that `read_value` gives it back."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _write_float(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(write_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{write_value(str(k))}: {write_value(v)}" for k, v in value.items()) + "}"
    return _write_text(str(value))


def escape(text: str) -> str:
    """Replace what a YAML file must not hold as it is by its escape, on one line."""
    return _NEEDS_ESCAPE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


class _Composer(yaml.SafeLoader):
    """PyYAML's parser, without tags, anchors and aliases."""

    in_brackets = ""
    """What a word in brackets may begin with, against YAML."""

    def check_plain(self) -> bool:
        return bool(super().check_plain()) or (self.flow_level > 0 and self.peek() in self.in_brackets)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "anchor", None) or getattr(event, "tag", None):
            raise yaml.MarkedYAMLError(problem=_SPECIAL_START, problem_mark=event.start_mark)
        return super().compose_node(parent, index)


def _compose(text: str, *, origin: str) -> yaml.Node | None:
    try:
        loader = _Composer(text)
        loader.in_brackets = "" if origin else ">"  # --set data.labels.order=[<30,30-60,>=60]
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark or error.context_mark
        where = f"{origin}, line {mark.line + 1}, column {mark.column + 1}: " if origin and mark else ""
        raise DocumentProblem(f"{where}{_in_words(error)}") from None
    except yaml.YAMLError:
        raise DocumentProblem(f"{origin + ': ' if origin else ''}there are characters that text cannot hold") from None
    except RecursionError:
        raise DocumentProblem(f"{origin + ': ' if origin else ''}brackets are nested too deep") from None
    return node if node is None else _shallow(node, origin)


def _shallow(node: yaml.Node, origin: str, depth: int = 0) -> yaml.Node:
    if depth > 20:
        raise DocumentProblem(f"{origin + ': ' if origin else ''}brackets are nested too deep")
    children = node.value if isinstance(node, yaml.CollectionNode) else ()
    for child in children:
        for part in child if isinstance(child, tuple) else (child,):
            _shallow(part, origin, depth + 1)
    return node


def _in_words(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "the text ends too early"
    if problem.startswith("but found another document"):
        return "a settings file holds one document; remove the `---` in the middle"
    if "could not find expected ':'" in problem:
        return "a `:` behind the name is missing"
    if "cannot start any token" in problem:
        return "a tab stands where spaces are needed" if "\\t" in problem else _SPECIAL_START
    if "alias" in str(error.context) or "anchor" in str(error.context) or "tag" in str(error.context):
        return _SPECIAL_START
    missing = re.match(r"expected ',' or '(.)'", problem)
    if missing:
        return f"a `{missing[1]}` or a comma is missing"
    if "block scalar" in str(error.context):
        return _SPECIAL_START
    if "quoted scalar" in str(error.context):
        return "a closing quote is missing"
    if problem.startswith("mapping values are not allowed"):
        return "a second `:` in this place; check the spaces before the line, or put the value in quotes"
    if problem == _SPECIAL_START:
        return problem
    return f"not valid YAML: {problem}"


def _entries(node: yaml.MappingNode, file: Path, problems: list[str], section: tuple[str, ...] = ()) -> Iterator[Given]:
    for key, child, line in _pairs(node, problems, prefix=f"{file}, ", section=section):
        if isinstance(child, yaml.MappingNode) and child.value:
            yield from _entries(child, file, problems, (*section, key))
        else:
            yield Given((*section, key), _value(child, problems), f"{file}, line {line}")


def _pairs(
    node: yaml.MappingNode, problems: list[str], *, prefix: str = "", section: tuple[str, ...] = ()
) -> Iterator[tuple[str, yaml.Node, int]]:
    first_line: dict[str, int] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            problems.append(f"{prefix}line {line}: a name must be a word, not a list or a group")
            continue
        key = str(key_node.value)
        if key in first_line:
            lines = f"{prefix}lines {first_line[key]} and {line}"
            problems.append(f"{dotted_name((*section, key))}: given twice ({lines}); keep one of them")
            continue
        first_line[key] = line
        yield key, value_node, line


def _value(node: yaml.Node, problems: list[str]) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, problems) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        return {key: _value(child, problems) for key, child, _ in _pairs(node, problems)}
    quoted = isinstance(node, yaml.ScalarNode) and node.style is not None
    return str(node.value) if quoted else _scalar(str(node.value))


def _scalar(text: str) -> Any:
    """The value of an unquoted word, by the core schema of YAML 1.2 (chapter 10.3 of its specification)."""
    if _NULL.match(text):
        return None
    if _BOOL.match(text):
        return text.lower() == "true"
    try:
        if _INT.match(text):
            return int(text)
        if _OCTAL_OR_HEX.match(text):
            return int(text, 0)
    except ValueError:  # more digits than Python reads
        return text
    if _FLOAT.match(text):
        return float(text)
    if _INFINITE.match(text):
        return float(text.replace(".", ""))
    return text


def _write_float(value: float) -> str:
    text = repr(value)
    return {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(text, text)


def _write_text(text: str) -> str:
    if _PLAIN.match(text) and isinstance(_scalar(text), str) and not _YAML_1_1.match(text):
        return text
    return escape(json.dumps(text, ensure_ascii=False))
