"""The language of pages, from what the environment says."""

from __future__ import annotations

import locale

import pytest

from photograft.config import load_config
from photograft.workflow.language import page_language
from photograft.workflow.resolve import resolve_input


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko"}, "ko"),
        ({"LANG": "ko-KR"}, "ko"),
        ({"LANG": "kok_IN.UTF-8"}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "ko_KR.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "ko_KR.eucKR"}, "ko"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "en_US.UTF-8", "LC_ALL": "ko_KR"}, "ko"),
        ({"LANG": "ko_KR.UTF-8", "LC_ALL": ""}, "ko"),
    ],
)
def test_the_first_that_is_set_says_it(environment: dict[str, str], language: str) -> None:
    assert page_language("auto", environment) == language
    assert page_language("en", environment) == "en"
    assert page_language("ko", environment) == "ko"


@pytest.mark.parametrize(("name", "language"), [("Korean_Korea", "ko"), ("ko_KR", "ko"), ("en_US", "en"), (None, "en")])
def test_without_any_the_system_says_it(name: str | None, language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locale, "getlocale", lambda: (name, None))
    assert page_language("auto", {}) == language


def test_it_is_stored_as_it_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    config, reasons = resolve_input(load_config(None, []))
    assert config.report.language == "ko"
    assert reasons["report.language"] == "auto: the language of this computer"
    config, reasons = resolve_input(load_config(None, ["report.language=en"]))
    assert config.report.language == "en"
    assert "report.language" not in reasons
