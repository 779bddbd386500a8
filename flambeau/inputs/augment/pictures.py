"""Batches of pictures, varied. The stages follow each other as `steps` says; within one the order of the list holds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from flambeau.inputs.augment import Draw
from flambeau.inputs.augment.colour import COLOURING, colour
from flambeau.inputs.augment.geometry import GEOMETRIC, Numbers, Uniform, move
from flambeau.inputs.augment.grain import GRAINY, grain
from flambeau.inputs.augment.mixing import MIXING, mix
from flambeau.inputs.augment.steps import Step
from flambeau.types import Batch

STREAMS = 16
"""Random numbers that one step may draw for each example."""


@dataclass(frozen=True)
class Pictures:
    """The augmentation of one image input. It varies all pictures of the batch that it is given."""

    steps: tuple[Step, ...]

    def __call__(self, batch: Batch, draw: Draw) -> Batch:
        """Pictures (batch, channels, height, width), uint8 or float in 0 to 255 -> float32 of the same axes and range."""
        with torch.no_grad():
            varied = replace(batch, inputs={name: self._vary(images, draw) for name, images in batch.inputs.items()})
            for place, step in self._of(MIXING):
                varied = mix(varied, draw, step, _uniform(draw, place))
        return varied

    def _vary(self, images: Tensor, draw: Draw) -> Tensor:
        images = images.float()
        for kinds, apply in ((GEOMETRIC, move), (COLOURING, colour)):
            if chosen := self._of(kinds):
                images = apply(images, [step for _, step in chosen], [_uniform(draw, place) for place, _ in chosen])
        for place, step in self._of(GRAINY):
            images = grain(images, step, _uniform(draw, place))
        return images

    def _of(self, kinds: tuple[type[Step], ...]) -> list[tuple[int, Step]]:
        return [(place, step) for place, step in enumerate(self.steps) if isinstance(step, kinds)]


def _uniform(draw: Draw, place: int) -> Uniform:
    """The draws of the step at this place of the list: no other step sees them."""

    def uniform(number: int) -> Numbers:
        return draw.uniform(STREAMS * place + number)

    return uniform
