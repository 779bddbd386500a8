"""All modalities. A new one is one file and one name here."""

from __future__ import annotations

from typing import TypeAlias

from flambeau.inputs.image import ImageInput, ImagePreprocessor
from flambeau.inputs.input import Input

INPUTS: tuple[type[Input], ...] = (ImageInput,)
"""In the order in which a column is offered to them."""

AnyInput: TypeAlias = ImageInput
"""Recipe side, told apart by `type`."""

AnyPreprocessor: TypeAlias = ImagePreprocessor
"""Fitted side, told apart by `type`."""
