"""What every settings section is: frozen, closed, documented by the string under each field."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A group of settings. Unknown names are refused; the string under a field is its documentation everywhere."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        allow_inf_nan=False,
        # A setting may be named like a Python keyword (`from`), which its field cannot be.
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )
