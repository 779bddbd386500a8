"""The base of everything that a recipe can contain."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """A frozen piece of a recipe. Unknown keys are refused; numbers and booleans are never made from strings."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, use_attribute_docstrings=True, allow_inf_nan=False, validate_default=True)
