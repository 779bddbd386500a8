"""Batches of pictures, varied. The stages follow each other as `steps` says; within one the order of the list holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from flambeau.inputs.augment import Draw
from flambeau.inputs.augment.colour import COLOURING, colouring
from flambeau.inputs.augment.geometry import GEOMETRIC, Change, Numbers, Uniform, moving
from flambeau.inputs.augment.grain import GRAINY, graining
from flambeau.inputs.augment.mixing import MIXING, mix
from flambeau.inputs.augment.steps import AlternatingFlip, Step
from flambeau.types import Batch

STREAMS = 16
"""Random numbers that one step may draw for each example."""
GROUP = 1 << 20
"""Bytes of pictures, as floats, that a core takes through all stages before the next ones: they stay in its own cache. Small
pictures all go together; large ones a few at a time."""


@dataclass(frozen=True)
class Pictures:
    """The augmentation of one image input. It varies all pictures of the batch that it is given."""

    steps: tuple[Step, ...]

    def __call__(self, batch: Batch, draw: Draw) -> Batch:
        """Pictures (batch, channels, height, width), uint8 or float in 0 to 255 -> float32 of the same axes and range."""
        with torch.no_grad():
            varied = replace(batch, inputs={name: self._vary(images, draw) for name, images in batch.inputs.items()})
            for place, step in self._of(MIXING):
                varied = mix(varied, draw, step, _uniform(draw, place, step))
        return varied

    def _vary(self, images: Tensor, draw: Draw) -> Tensor:
        changes = self._changes(images, draw)
        varied = torch.empty(images.shape, dtype=torch.float32, device=images.device)
        for group in _groups(images):
            some = images[group].float()
            for change in changes:
                some = change(some, group)
            varied[group] = some
        return varied

    def _changes(self, images: Tensor, draw: Draw) -> list[Change]:
        """The stages that there are, with everything drawn."""
        batch, channels, height, width = images.shape
        stages: list[Change] = []
        if moves := self._of(GEOMETRIC):
            stages.append(moving([step for _, step in moves], [_uniform(draw, place, step) for place, step in moves], height, width))
        if colours := self._of(COLOURING):
            stages.append(colouring([step for _, step in colours], [_uniform(draw, place, step) for place, step in colours], channels, batch))
        return stages + [graining(step, _uniform(draw, place, step)) for place, step in self._of(GRAINY)]

    def _of(self, kinds: tuple[type[Step], ...]) -> list[tuple[int, Step]]:
        return [(place, step) for place, step in enumerate(self.steps) if isinstance(step, kinds)]


def _groups(images: Tensor) -> Iterator[slice]:
    """Which pictures go through the stages together: all, on a device that computes most when it gets most."""
    cores = torch.get_num_threads()
    size = max(1, GROUP * cores // (4 * images[0].numel())) if images.device.type == "cpu" else len(images)
    return (slice(low, min(low + size, len(images))) for low in range(0, len(images), size))


def _uniform(draw: Draw, place: int, step: Step) -> Uniform:
    """The draws of the step at this place of the list: no other step sees them. Of a step that alternates they are the same in all
    epochs, but in every other one half a turn further: what was below a half is above it then.
    """
    alternates = isinstance(step, AlternatingFlip)
    drawn = replace(draw, epoch=0) if alternates else draw

    def uniform(number: int) -> Numbers:
        numbers = drawn.uniform(STREAMS * place + number)
        return (numbers + draw.epoch % 2 / 2) % 1 if alternates else numbers

    return uniform
