"""The names that `photograft` offers to Python programs."""

from __future__ import annotations

import inspect

import pytest

import photograft


@pytest.mark.parametrize("name", photograft.__all__)
def test_public_name_resolves_and_is_documented(name: str) -> None:
    value = getattr(photograft, name)
    if inspect.isroutine(value) or inspect.isclass(value) or inspect.ismodule(value):
        assert inspect.getdoc(value), f"photograft.{name} has no docstring"


def test_public_names_are_listed_once_and_by_dir() -> None:
    assert len(set(photograft.__all__)) == len(photograft.__all__)
    assert set(photograft.__all__) <= set(dir(photograft))


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        photograft.no_such_name  # noqa: B018
