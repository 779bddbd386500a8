"""A plan and its data -> a trained network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flambeau import messages
from flambeau.code import class_name
from flambeau.data.batches import Batches
from flambeau.data.store import Rows
from flambeau.errors import Notice, RecipeError
from flambeau.evaluation.kinds import evaluation_of
from flambeau.events import Planned, Remark, Show, Started, Trained
from flambeau.features import FEATURES, Features, Head, features_of, is_fixed
from flambeau.garbage import search_as_usual
from flambeau.inputs.input import Preprocessor, tensor_names
from flambeau.journal import Journal
from flambeau.machine import available_threads
from flambeau.messages import printable
from flambeau.network.build import Network, build, parameter_groups
from flambeau.network.table import Row, layer_table, total
from flambeau.network.vectors import start_embedding
from flambeau.planning import Plan
from flambeau.preparation import Prepared
from flambeau.recipe import Recipe
from flambeau.storage import cache_home
from flambeau.tasks.task import Target
from flambeau.training.advice import Uninformed, gap, kept
from flambeau.training.calibration import Calibration, calibrated, cool, validation_logits
from flambeau.training.config import TrainingConfig
from flambeau.training.device import choose_device, describe
from flambeau.training.estimate import estimate_seconds
from flambeau.training.finder import find_lr
from flambeau.training.loop import train
from flambeau.training.optimizers import Muon
from flambeau.training.parameters import Group
from flambeau.training.tuner import Trial, is_open, plain, tune
from flambeau.training.watch import recorded
from flambeau.types import Array, Epoch
from flambeau.version import __version__

if TYPE_CHECKING:
    import torch
    from torch import nn


UNINFORMED = 10_000
"""Validation examples, about, that tell the loss of an answer that looks at nothing."""


@dataclass(frozen=True)
class Learning:
    """A network that is about to learn, and what it learns from."""

    network: Network
    """The whole of it, as it is exported."""
    learner: nn.Module
    """What takes the steps: the network, or its head alone where all the rest is frozen."""
    config: TrainingConfig
    train: Batches
    valid: Batches
    data: Prepared
    loss: nn.Module

    @property
    def rows(self) -> list[Row]:
        """The layer table."""
        return layer_table(self.network, {name: chosen.gives for name, chosen in self.data.preprocessors.items()})

    @property
    def groups(self) -> list[Group]:
        """Parts of the network that learn at a pace of their own."""
        return [Group(**group) for group in parameter_groups(self.network)]

    @property
    def seconds(self) -> float:
        """How long all epochs would take, from a few real steps."""
        return estimate_seconds(self.learner, self.loss, self.train, self.valid, self.config)

    def best_lr(self) -> float | None:
        """The learning rate that a short trial suggests; None where its loss never falls."""
        groups = self.groups
        return find_lr(self.learner, self.loss, self.train, self.config, groups).suggestion


def begin(recipe: Recipe, data: Prepared, allow_code: bool) -> Learning:
    """A resolved recipe and its data -> a network with its first weights, and the batches that it will see.

    Raises:
        RecipeError: the layers do not fit together, or the network is too large; `path` addresses the node.
    """
    search_as_usual()
    config = recipe.training
    if config.sampling == "balanced" and not data.target.balances:
        raise RecipeError("sampling-needs-classes", path=("training", "sampling"), task=data.target.judged_as)
    targets = data.targets
    device = choose_device(config.device)
    vary = {name: recipe.inputs[name].augmentation(chosen.spec) for name, chosen in data.preprocessors.items()}
    network = build(
        recipe.network,
        {name: chosen.gives for name, chosen in data.preprocessors.items()},
        {name: chosen.module() for name, chosen in data.preprocessors.items()},
        data.target.out_features,
        data.target.activation(),
        config.seed,
        tensors=tensor_names(data.preprocessors),
        allow_code=allow_code,
    )
    for name, chosen_input in data.preprocessors.items():
        started_with = recipe.inputs[name].starting_vectors(chosen_input)
        if started_with is not None:
            start_embedding(network, name, started_with[0])
            network.notices += (started_with[1],)
    augment = {name: step for name, step in vary.items() if step is not None}
    chosen, rows = data.preprocessors, data.rows
    learner: nn.Module = network
    if is_fixed(network) and augment:
        network.notices += (Notice("features-vary", {"name": next(iter(augment))}),)
    elif is_fixed(network):
        chosen, rows = _features(network, recipe, data, device)
        learner = Head(network)
    batches = Batches(
        rows,
        targets,
        data.split.train,
        chosen,
        config.batch_size,
        config.seed,
        augment=augment,
        soft=data.target.soft,
        sampling=config.sampling,
        device=device,
        weights=data.weights(),
    )
    valid = Batches(rows, targets, data.split.valid, chosen, 256, device=device)
    return Learning(network, learner, config, batches, valid, data, data.target.loss(allow_code))


def _features(network: Network, recipe: Recipe, data: Prepared, device: torch.device) -> tuple[Mapping[str, Preprocessor], Mapping[str, Rows]]:
    """What the frozen body of a network makes of the examples that training and validation see, as an input of its own."""
    key = f"{recipe.network!r} {recipe.training.seed}"
    if key not in data.features:
        used = np.union1d(data.split.train, data.split.valid)
        batches = Batches(data.rows, None, used, data.preprocessors, 256, device=device)
        data.features[key] = features_of(network, batches, used, len(data.source), device)
    features = data.features[key]
    return {FEATURES: Features(size=features.shape[1])}, {FEATURES: features}


def ready(plan: Plan, data: Prepared, journal: Journal) -> tuple[Plan, Learning]:
    """The plan with all that a few steps on this machine decide, and the network with its first weights. What is about to happen is shown."""
    plan = with_best_lr(plan, data, journal) if journal.find_lr else plan
    plan, trials = with_fastest_step(plan, data, journal)
    learner = begin(plan.recipe, data, journal.request.allow_code)
    for event in (*learner.network.notices, planned(plan, learner, learner.seconds, trials)):
        journal.show(event)
    return plan, learner


@dataclass(frozen=True)
class Learnt:
    """How a training went."""

    history: Sequence[Epoch]
    calibration: Calibration | None
    """What was done to the probabilities at the end; None: nothing."""


def learn(learning: Learning, folder: Path, resume: bool, show: Show) -> Learnt:
    """Trains; the network then has the weights that are kept, calibrated. Each epoch is shown as it ends and written to `folder`.

    Raises:
        Interrupted: a signal came; `resume` goes on from there.
    """
    target = learning.data.target
    training = train(
        learning.learner,
        learning.loss,
        learning.train,
        learning.valid,
        lambda answers, encoded: _scores(target, answers, target.restored(encoded)),
        learning.config,
        folder / "checkpoints",
        target.monitor,
        resume,
        groups=learning.groups,
        notify=show,
    )
    history = []
    # closed at once, whatever stops this: a training that wakes up when its memory is cleared would do so in the middle of another
    with closing(training), closing(recorded(training, folder)) as epochs:
        for epoch in epochs:
            show(epoch)
            history.append(epoch)
    found = calibrated(*validation_logits(learning.learner, learning.valid)) if learning.config.calibrate and target.calibrates else None
    if found is not None:
        cool(learning.network.head, found.temperature)
    return Learnt(history, found)


def _scores(target: Target, answers: npt.NDArray[np.float32], truths: Array) -> dict[str, float]:
    """Answers (examples, answers) beside their truths -> the metrics of an epoch.

    Raises:
        RecipeError: the one by which the target chooses the best epoch is not among them.
    """
    found = evaluation_of(target).quick(answers, truths, target.inner)
    if target.monitor not in ("valid_loss", *found):
        name, metrics = class_name(type(target.inner)), ", ".join(("valid_loss", *found))
        raise RecipeError("task-monitor", path=("task", "code"), target=name, monitor=printable(target.monitor), metrics=metrics)
    return found


def learn_again(recipe: Recipe, data: Prepared, learnt: Learnt, journal: Journal) -> Network:
    """Trains once more from the first weights, on train + validation, up to the epoch whose weights were kept. The validation scores
    of this training mean nothing any more and are not shown; the temperature is that of the first one.
    """
    epochs = kept(learnt.history, recipe.training.keep_best).number
    settings = {"epochs": epochs, "stop_early": None, "keep_best": False, "calibrate": False}
    recipe = recipe.model_copy(update={"training": recipe.training.model_copy(update=settings)})
    again = begin(recipe, data.with_validation_in_train(), journal.request.allow_code)
    folder = journal.opened_folder.path / "refit"
    folder.mkdir(exist_ok=True)
    journal.show(Remark("refitting", {"epochs": epochs, "n": again.train.num_examples}))
    learn(again, folder, journal.resumed, lambda event: None if isinstance(event, Epoch) else journal.show(event))
    if learnt.calibration is not None:
        cool(again.network.head, learnt.calibration.temperature)
    return again.network


def with_best_lr(plan: Plan, data: Prepared, journal: Journal) -> Plan:
    """The plan with a learning rate found by a short trial, written into the run's recipe; muon's `rest` keeps its ratio to it."""
    found = begin(plan.recipe, data, journal.request.allow_code).best_lr()
    optimizer = plan.recipe.training.optimizer
    journal.show(Remark("lr-found", {"lr": found, "before": optimizer.lr}) if found else Notice("lr-not-found", {"lr": optimizer.lr}))
    if found:
        plan = plan.changed(f"training.optimizer.{optimizer.name}.lr={found:.2e}")
    if found and isinstance(optimizer, Muon):
        rest = optimizer.rest
        plan = plan.changed(f"training.optimizer.muon.rest.{rest.name}.lr={found * rest.lr / optimizer.lr:.2e}")
    journal.settle(plan)
    return plan


def with_fastest_step(plan: Plan, data: Prepared, journal: Journal) -> tuple[Plan, Sequence[Trial]]:
    """The plan with the fastest way to compute a step on this machine, written into the run's recipe, and all that were tried."""
    trials: list[Trial] = []
    config = plan.recipe.training
    if is_open(config):
        learner = begin(plan.recipe, data, journal.request.allow_code)
        trials = tune(learner.learner, learner.loss, learner.train, config, cache_home("steps", journal.opened_folder.path)[0])
    chosen = next((trial.settings for trial in trials if trial.chosen), {})
    settled = plain(config.model_copy(update=chosen))
    plan = replace(plan, recipe=plan.recipe.model_copy(update={"training": settled}))
    journal.settle(plan)
    return plan, trials


def started(recipe_device: str = "auto") -> Started:
    """What this program runs on."""
    import torch

    return Started(__version__, torch.__version__.split("+")[0], describe(choose_device(recipe_device), available_threads()))


def planned(plan: Plan, learning: Learning, seconds: float | None, trials: Sequence[Trial] = ()) -> Planned:
    """What is about to happen, for people."""
    cost = total(learning.rows)
    config = learning.config
    execution = {
        "device": describe(choose_device(config.device), config.threads or available_threads()),
        "precision": config.precision,
        "memory_format": config.memory_format,
        "fused": config.optimizer.can_fuse if config.fused is None else config.fused,
        "compile": bool(config.compile),
    }
    others = plan.choice.alternatives if plan.choice else ()
    return Planned(
        network=plan.network_name,
        parameters=cost.parameters,
        flops=cost.flops,
        inputs=[f"{name}: {chosen.gives}" for name, chosen in learning.data.preprocessors.items()],
        reason=plan.why,
        alternatives=[
            messages.text("plan-alternative", network=other.spec, parameters=other.parameters, flops=other.flops / 1e6)
            for other in others
            if other.spec != plan.network_name
        ],
        optimizer=f"{config.optimizer.name} {config.optimizer.lr:g}",
        schedule=config.schedule.name,
        mean=next((f"{kind} {share:g}" for kind, share in (("ema", config.ema), ("swa", config.swa)) if share is not None), None),
        batch_size=str(config.batch_size),
        epochs=config.epochs,
        stop_early=config.stop_early,
        keep_best=config.keep_best,
        augment=[step for chosen in plan.recipe.inputs.values() for step in chosen.variations()],
        execution=execution,
        seconds=seconds,
        prepared=[f"{name}: {' · '.join(words)}" for name, chosen in plan.recipe.inputs.items() if (words := chosen.describe())],
        weights=[report.line for report in learning.network.reports],
        trials=[_trial_line(trial) for trial in trials],
    )


def _trial_line(trial: Trial) -> str:
    compiled = messages.text("plan-trial-compiled") if trial.compile else ""
    part = messages.text("plan-trial-part", parts=trial.parts) if trial.parts > 1 else ""
    return messages.text("plan-trial", **{**asdict(trial), "compiled": compiled, "part": part, "mark": "<-" if trial.chosen else ""})


def trained(learning: Learning, learnt: Learnt) -> Trained:
    """How the training went, and what the weights that are kept are worth."""
    config, history = learning.config, learnt.history
    stopped = messages.text("train-stopped", n=config.stop_early) if history[-1].number < config.epochs else None
    advice = gap(history, config.keep_best, _uninformed(learning))
    words = messages.text("word-semicolon").join(filter(None, (advice.what, advice.fix)))
    told = messages.text("train-calibrated", **asdict(learnt.calibration)) if learnt.calibration else None
    return Trained(kept(history, config.keep_best).number, stopped, words, told)


def _uninformed(learning: Learning) -> Uninformed:
    """What an answer that looks at nothing is worth on the validation split."""
    import torch

    data, target = learning.data, learning.data.target
    encoded = data.targets[data.split.valid]
    baseline = evaluation_of(target).baseline(target.restored(encoded), target.inner, 0.95)
    some = encoded[:: 1 + len(encoded) // UNINFORMED]
    scores = {name: figure["value"] for name, figure in baseline.items() if isinstance(figure, dict) and figure["value"] is not None}
    with torch.no_grad():
        device = choose_device(learning.config.device)
        loss = learning.loss(torch.zeros(len(some), target.out_features, device=device), torch.as_tensor(some).to(device)).mean()
    return Uninformed(printable(baseline["label"]), scores, float(loss))
