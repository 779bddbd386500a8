"""Recipe side of the augmentation of texts. No torch."""

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias

from pydantic import Field

from flambeau.choice import Named, OneOf

Portion = Annotated[float, Field(ge=0, le=0.9)]


class TextStep(Named):
    """One thing that varies."""


class Drop(TextStep):
    """Words become unknown, so that a text is not known by a single one.

    Source: Iyyer et al., Deep Unordered Composition Rivals Syntactic Methods for Text Classification, ACL 2015 (word dropout).
    """

    name: ClassVar[str] = "drop"
    share: Portion = 0.1
    """Share of the words."""


class Delete(TextStep):
    """Words are taken out, and the text is shorter; one is always left."""

    name: ClassVar[str] = "delete"
    share: Portion = 0.1
    """Share of the words."""


class Swap(TextStep):
    """Words change places with their neighbour.

    Source: Wei and Zou, EDA: Easy Data Augmentation Techniques, EMNLP 2019.
    """

    name: ClassVar[str] = "swap"
    share: Portion = 0.1
    """Share of the pairs of words that stand beside each other."""


WORD_STEPS: tuple[type[TextStep], ...] = (Drop, Delete, Swap)

WordStep: TypeAlias = Annotated[TextStep, OneOf("step", *WORD_STEPS)]
"""``drop``, ``{drop: 0.2}`` or ``{drop: {share: 0.2}}``."""
