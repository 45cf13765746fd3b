"""tune.html: a search as one self-contained page."""

from typing import Any, Mapping
def render_tune(document: Mapping[str, Any]) -> str:
    return ""
