"""All modalities. A new one is one file and one name here."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from flambeau.inputs.image import ImageInput, ImagePreprocessor
from flambeau.inputs.input import Input
from flambeau.inputs.table import TableInput, TablePreprocessor
from flambeau.inputs.text import TextInput, TextPreprocessor

INPUTS: tuple[type[Input], ...] = (ImageInput, TableInput, TextInput)
"""In the order in which a column is offered to them."""

AnyInput: TypeAlias = Annotated[ImageInput | TableInput | TextInput, Field(discriminator="type")]
"""Recipe side, told apart by `type`."""

AnyPreprocessor: TypeAlias = Annotated[ImagePreprocessor | TablePreprocessor | TextPreprocessor, Field(discriminator="type")]
"""Fitted side, told apart by `type`."""
