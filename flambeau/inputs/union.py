"""All modalities. A new one is one file and one name here."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from flambeau.inputs.audio import AudioInput, AudioPreprocessor
from flambeau.inputs.custom import CustomInput, CustomPreprocessor
from flambeau.inputs.image import ImageInput, ImagePreprocessor
from flambeau.inputs.input import Input
from flambeau.inputs.sequence import SequenceInput, SequencePreprocessor
from flambeau.inputs.table import TableInput, TablePreprocessor
from flambeau.inputs.text import TextInput, TextPreprocessor

INPUTS: tuple[type[Input], ...] = (ImageInput, AudioInput, SequenceInput, TableInput, TextInput)
"""In the order in which a column is offered to them. That of the user is always named."""

AnyInput: TypeAlias = Annotated[ImageInput | AudioInput | SequenceInput | TableInput | TextInput | CustomInput, Field(discriminator="type")]
"""Recipe side, told apart by `type`."""

AnyPreprocessor: TypeAlias = Annotated[
    ImagePreprocessor | AudioPreprocessor | SequencePreprocessor | TablePreprocessor | TextPreprocessor | CustomPreprocessor,
    Field(discriminator="type"),
]
"""Fitted side, told apart by `type`."""
