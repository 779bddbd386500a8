"""The base of everything that a recipe can contain."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from flambeau.docstrings import Documented


class Config(Documented, BaseModel):
    """A frozen piece of a recipe. Unknown keys are refused; numbers and booleans are never made from strings."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False, validate_default=True, defer_build=True)
