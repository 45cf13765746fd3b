"""Patterns on paths, such as ``{age}_{gender}_{id}.jpg``: what they match, and what their names hold."""

from __future__ import annotations

import os
import re

from photograft.errors import ConfigError

_HELP = "A pattern is text with names in braces and `*`, such as {person}/{age}_{gender}_*.jpg."


class PathPattern:
    """A checked pattern. `names` are its names in order.

    A name and `*` match anything within one segment of the path, up to the next text of the pattern. The pattern is
    held against as many segments at the end of the path as it has itself; its extension may be left out.

    Raises:
        ConfigError: the setting data.labels.pattern is no pattern, with the reason.
    """

    def __init__(self, pattern: str) -> None:
        names: list[str] = []
        segments = pattern.replace("\\", "/").strip("/").split("/")
        self._n_segments = len(segments)
        expressions = [_expression(segment, names, pattern) for segment in segments]
        ending = os.path.splitext(re.sub(r"\{[^}]*\}|\*", "x", segments[-1]))[1]  # noqa: PTH122 - no path
        optional = "" if ending else r"(?:\.[^./]*)?"
        self._expression = re.compile("/".join(expressions) + optional, re.DOTALL)
        self.names = tuple(names)
        if not names:
            raise _refuse(pattern, "it names nothing")

    def match(self, path: str) -> dict[str, str] | None:
        """What each name holds for a path; None where the pattern does not match."""
        segments = path.split("/")[-self._n_segments :]
        matched = self._expression.fullmatch("/".join(segments))
        return dict(zip(self.names, (value.strip() for value in matched.groups()), strict=True)) if matched else None


def _expression(segment: str, names: list[str], pattern: str) -> str:
    """The regular expression of one segment, in which each name is a group."""
    tokens = re.findall(r"\{[^{}]*\}|\*|[^{}*]+|[{}]", segment)
    if not tokens:
        raise _refuse(pattern, "a segment between slashes is empty")
    wild = [i for i, token in enumerate(tokens) if token == "*" or (token.startswith("{") and token.endswith("}"))]
    expression = ""
    for i, token in enumerate(tokens):
        if token in ("{", "}"):
            raise _refuse(pattern, "a brace has no partner")
        if i - 1 in wild and i in wild:
            raise _refuse(pattern, f"there is no text between {tokens[i - 1]} and {token}")
        if i not in wild:
            expression += re.escape(token) + (")" if i - 1 in wild[:-1] else "")
            continue
        # A match is final up to the text behind it, or hostile names would have every division tried.
        expression += "(?>" if i in wild[:-1] else ""
        expression += "[^/]*?" if token == "*" else "([^/]+?)"
        if token != "*":
            names.append(_checked_name(token[1:-1], names, pattern))
    return expression


def _checked_name(name: str, names: list[str], pattern: str) -> str:
    if not name.isidentifier():
        raise _refuse(pattern, f"{{{name}}} is no name: letters, digits and _ make one")
    if name in names:
        raise _refuse(pattern, f"{{{name}}} comes twice")
    return name


def _refuse(pattern: str, reason: str) -> ConfigError:
    return ConfigError(f"data.labels.pattern {pattern!r} cannot be used: {reason}. {_HELP}")
