"""A network while it learns: everything that changes from step to step, and thus everything that a checkpoint holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from math import ceil, isfinite
from time import perf_counter
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.nn.utils import clip_grad_norm_, clip_grads_with_norm_

from flambeau.errors import Notice, RecipeError
from flambeau.training.averaging import Average, EpochAverage, Mean
from flambeau.training.config import TrainingConfig
from flambeau.training.health import diagnose
from flambeau.training.layout import uses_channels_last
from flambeau.training.objective import GivesLogits, Objective, learning_mode
from flambeau.training.optimizer import Optimizer
from flambeau.training.optimizer_state import load_optimizer
from flambeau.training.optimizers_adaptive import Rprop
from flambeau.training.parameters import Group, Paces, layers, parameter_groups, trainable
from flambeau.training.progress import Position, Tally, is_gain, rank
from flambeau.training.schedule_free import ScheduleFreeAverage, ScheduleFreeOptimizer
from flambeau.training.schedules import Constant
from flambeau.training.source import BatchSource
from flambeau.training.validation import answer_all, measure_statistics
from flambeau.types import Batch, Epoch, Step

Scorer: TypeAlias = Callable[[Any, Any], Mapping[str, float]]
"""Answers (examples, out_features) and truths (examples, ...) -> metrics by name."""

OBSERVED = 16
"""Steps of an epoch, spread over it, whose logits and gradients are looked at closely; bounds the cost and the memory of it."""
READ_EVERY = 16
"""On a device that works while Python goes on, the loss is read at every so-many-th step: reading makes Python wait."""


class Learner:
    """Takes steps, closes epochs, and can be put into the state of another one of its kind."""

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module,
        batches: BatchSource,
        valid: BatchSource,
        score: Scorer,
        config: TrainingConfig,
        monitor: str,
        device: torch.device,
        groups: Sequence[Group] = (),
        notify: Callable[[Notice], None] = lambda notice: None,
    ) -> None:
        layout = torch.channels_last if uses_channels_last(config) else torch.contiguous_format
        self.network = network.to(device).to(memory_format=layout)
        self.config = config
        self.monitor = monitor
        self.history: list[Epoch] = []
        self.position = Position()
        self._batches = batches
        self._valid = valid
        self._score = score
        self._device = device
        self._works_alone = device.type != "cpu"
        self._parameters = trainable(network)
        self._layers = layers(network)
        self._places = _places(self._parameters, self._layers)
        self._objective = Objective(network, loss.to(device), config, device, notify)
        self._optimizer = optimizer_of(network, config, groups)
        self._average = _mean_of(network, config, self._optimizer)
        self._tally = Tally.empty(len(self._layers), device)
        self._scores: list[float] = []
        self._last = (0.0, 0.0)  # loss and gradient norm, as they were read last
        self._lr = 0.0

    def steps(self) -> Iterator[Step]:
        """The steps that are left of the running epoch."""
        learning_mode(self.network)
        batches = self._batches.epoch(self.position.epoch + 1, start=self.position.step)
        while True:
            started = perf_counter()
            batch = next(batches, None)
            if batch is None:
                return
            yield self._take(batch, started)

    def close_epoch(self) -> Epoch:
        """The end of an epoch: how the network does on both splits. Starts the next one."""
        started = perf_counter()
        tally = self._tally
        if self._average:
            number = self.position.epoch + 1
            self._average.close(number, lambda: measure_statistics(self.network, self._objective, self._batches, number))
        with self._average.applied() if self._average else nullcontext():
            answered = answer_all(self.network, self._objective, self._valid)
        norms = (tally.norms / max(tally.num_observed, 1)).tolist()
        epoch = Epoch(
            number=self.position.epoch + 1,
            train_loss=tally.mean_loss,
            valid_loss=answered.loss,
            valid=dict(self._score(answered.answers, answered.truths)),
            lr=self._lr,
            seconds=tally.seconds + perf_counter() - started,
            gradient_norms=dict(zip(self._layers, norms, strict=True)),
            train=self._training_scores(answered.truths.ndim),
        )
        epoch = replace(epoch, best=is_gain(epoch, self.history, self.monitor))
        self._remember(epoch)
        self.position = Position(epoch.number, 0)
        self._tally = Tally.empty(len(self._layers), self._device)
        return epoch

    @torch.no_grad()
    def weights(self) -> dict[str, Tensor]:
        """What the network is worth now, on the CPU: its state, or the running mean of it."""
        source = self._average.mean if self._average else self.network.state_dict()
        return {name: tensor.detach().to("cpu", copy=True) for name, tensor in source.items()}

    @property
    def is_finite(self) -> bool:
        """Whether nothing has gone wrong in the running epoch that was not noticed yet."""
        return isfinite(self._tally.loss.item())

    def _take(self, batch: Batch, started: float) -> Step:
        """One optimizer step."""
        number = self.position.epoch * self._batches.num_steps + self.position.step
        observing = self.position.step % max(1, self._batches.num_steps // OBSERVED) == 0
        reading = not self._works_alone or number % READ_EVERY == 0 or self.position.step == self._batches.num_steps - 1
        self._set_lr(number)
        evaluations: list[Tensor] = []

        def closure() -> Tensor:
            first = not evaluations
            loss = self._objective.backward(batch, number, keep=observing and first)
            evaluations.append(loss)
            if first:
                self._look_at_gradients(batch, loss, observing, reading)
            elif self.config.clip is not None and not self.config.optimizer.full_batch:
                clip_grad_norm_(self._parameters, self.config.clip)
            return loss

        with self._objective.own_randomness():
            self._optimizer.step(closure)
        if self._average:
            self._average.update(number)
        num_examples = next(iter(batch.inputs.values())).shape[0]
        self._tally.add(evaluations[0], num_examples)
        self.position.step += 1
        seconds = perf_counter() - started
        self._tally.seconds += seconds
        return Step(number, self.position.epoch + 1, self._last[0], self._lr, self._last[1], num_examples, seconds)

    def _look_at_gradients(self, batch: Batch, loss: Tensor, observing: bool, reading: bool) -> None:
        """Measures the gradients, stops if they or the loss are not finite, and shortens them where they are too long."""
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        norms = torch.stack(torch._foreach_norm(gradients))
        norm = torch.linalg.vector_norm(norms)
        if reading:
            self._last = (loss.item(), norm.item())
            if not all(map(isfinite, self._last)):
                raise diagnose(
                    self.network,
                    batch.inputs,
                    lambda: self._objective.logits(batch.inputs),
                    self._last[0],
                    self.config.optimizer.name,
                    self.position.epoch + 1,
                )
        if observing:
            assert self._objective.answers is not None and batch.targets is not None
            places = torch.tensor([place for parameter, place in zip(self._parameters, self._places, strict=True) if parameter.grad is not None])
            by_layer = torch.zeros_like(self._tally.norms).index_add_(0, places.to(self._device), norms.square().to(self._tally.norms.dtype))
            self._tally.observe(by_layer.sqrt(), self._objective.answers, batch.targets)
        if self.config.clip is not None and not self.config.optimizer.full_batch:
            clip_grads_with_norm_(self._parameters, self.config.clip, norm)

    def _remember(self, epoch: Epoch) -> None:
        self.history.append(epoch)
        self._scores.append(rank(epoch, self.monitor)[0])

    def _set_lr(self, number: int) -> None:
        factor = self.config.schedule.factor(number, self.config.epochs * self._batches.num_steps, self._scores)
        for group in self._optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor if self.position.epoch >= group["starts"] else 0.0
        self._lr = self.config.optimizer.lr * factor

    @torch.no_grad()
    def _training_scores(self, num_axes: int) -> dict[str, float]:
        """Metrics on the observed training examples as they were seen; none where targets were mixed, which cannot be right or wrong."""
        targets = self._tally.targets
        if not targets or any(target.ndim != num_axes for target in targets):
            return {}
        answers = cast(GivesLogits, self.network).activation(torch.cat(self._tally.logits))
        return dict(self._score(answers.cpu().numpy(), torch.cat(targets).cpu().numpy()))

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            "network": dict(self.network.state_dict()),
            "optimizer": self._optimizer.state_dict(),
            "average": self._average.state() if self._average else None,
            "position": asdict(self.position),
            "tally": self._tally.state(),
            "history": [asdict(epoch) for epoch in self.history],
            "parts": self._objective.parts,
            "lr": self._lr,
            "last": list(self._last),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Goes on from what `state` returned."""
        self.network.load_state_dict(state["network"])
        load_optimizer(self._optimizer, state["optimizer"])
        if self._average:
            self._average.load(state["average"])
        self.position = Position(**state["position"])
        self._tally.load(state["tally"])
        for epoch in state["history"]:
            self._remember(Epoch(**epoch))
        self._objective.parts = state["parts"]
        self._lr = state["lr"]
        self._last = (state["last"][0], state["last"][1])


def optimizer_of(network: nn.Module, config: TrainingConfig, groups: Sequence[Group] = ()) -> Optimizer:
    """The optimizer over what can learn, each part at the pace that the network and the recipe give it.

    Raises:
        RecipeError: nothing can learn, a pattern of the recipe matches nothing, or the optimizer cannot keep to the paces or the schedule.
    """
    if not trainable(network):
        raise RecipeError("nothing-to-train", path=("network",))
    if isinstance(config.optimizer, Rprop) and config.schedule != Constant():
        raise RecipeError("rprop-schedule", path=("training", "schedule"))
    paces = Paces(tuple((group.match, group.lr_scale) for group in config.groups), config.layer_decay, config.unfreeze or 0)
    return config.optimizer.build(parameter_groups(network, groups, paces), config.fused)


def _mean_of(network: nn.Module, config: TrainingConfig, optimizer: Optimizer) -> Mean | None:
    """The mean of the weights that the recipe asks for."""
    if config.ema is not None:
        return Average(network, config.ema)
    if config.swa is not None:
        return EpochAverage(network, config.epochs - ceil(config.epochs * config.swa) + 1)
    return ScheduleFreeAverage(network, optimizer) if isinstance(optimizer, ScheduleFreeOptimizer) else None


def _places(parameters: Sequence[Parameter], members: Mapping[str, Sequence[Parameter]]) -> list[int]:
    """For each parameter, which layer it belongs to, counted from 0."""
    place = {id(parameter): index for index, group in enumerate(members.values()) for parameter in group}
    return [place[id(parameter)] for parameter in parameters]
