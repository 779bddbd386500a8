"""What a recipe leaves open about training, settled by what is known of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flambeau.recipe.parsing import apply, parse
from flambeau.recipe.recipe import Recipe
from flambeau.recipe.settings import split
from flambeau.training.defaults import EMA, batch_size_for, choice_of_epoch, epochs_for, patience_for


def with_training(recipe: Recipe, given: Recipe, sizes: Mapping[str, int], settings: Sequence[str], allow_code: bool) -> Recipe:
    """The recipe with its training settled. What neither recipe nor settings fix follows: epochs and batch size from the number of
    examples to train on, schedule from the optimizer (and the batch size of one that needs all), patience from the epochs, what
    decides the epoch from the number of examples to validate on, and whether the weights are averaged from the kinds of inputs.

    Args:
        recipe: its inputs are settled.
        given: as the person wrote it.
        sizes: about how many examples train, valid and test have.
        settings: --set of this room.
    """
    fixed = {*given.training.model_fields_set, *(str(split(setting)[0][1]) for setting in settings if len(split(setting)[0]) > 1)}
    passes = min(one.passes for one in recipe.inputs.values())
    chosen = {} if "epochs" in fixed else {"epochs": epochs_for(sizes["train"], passes)}
    tree = apply(recipe.model_copy(update={"training": recipe.training.model_copy(update=chosen)}).to_tree(), settings)
    assert isinstance(tree, dict) and isinstance(tree["training"], dict)
    followers = {"schedule", "batch_size"} - fixed
    tree["training"] = {name: value for name, value in tree["training"].items() if name not in followers}
    recipe = parse(tree, allow_code=allow_code)
    training = recipe.training
    is_open = fixed.isdisjoint({"stop_early", "keep_best"})
    left: dict[str, Any] = choice_of_epoch(sizes["valid"], training.epochs) if is_open else {"stop_early": patience_for(training.epochs)}
    if training.batch_size != "all":
        left["batch_size"] = batch_size_for(sizes["train"])
        is_many = sizes["train"] >= max(one.averages_from for one in recipe.inputs.values())
        if is_many and training.swa is None and not training.optimizer.averages:
            left["ema"] = EMA
    update = {name: value for name, value in left.items() if name not in fixed}
    return recipe.model_copy(update={"training": training.model_copy(update=update)})
