"""What would be done, and what a network looks like, without training anything."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flambeau import learning
from flambeau.events import Planned, Show, SplitMade, Surveyed
from flambeau.journal import survey
from flambeau.messages import columns, left, printable, right, text
from flambeau.model import load
from flambeau.network.build import build
from flambeau.network.table import Row, layer_table, total
from flambeau.planning import Request, preprocessors_of, resolve
from flambeau.preparation import prepare
from flambeau.recipe import Recipe
from flambeau.restoring import restore_network
from flambeau.training.learner import optimizer_of


@dataclass(frozen=True)
class Preview:
    """What `fit` would do."""

    recipe: Recipe
    """With nothing left open."""
    surveyed: Surveyed
    split: SplitMade
    planned: Planned

    def to_json(self) -> dict[str, Any]:
        """What ``flambeau fit --dry-run --json`` prints."""
        return {"data": asdict(self.surveyed), "split": asdict(self.split), "plan": asdict(self.planned), "recipe": self.recipe.to_tree()}


@dataclass(frozen=True)
class LayerTable:
    """The layers of a network, in order, with what each gives and costs for one example."""

    name: str
    rows: Sequence[Row]
    weights: Sequence[str] = ()
    """Where weights come from, a line for each file; of a finished model, nothing, as all of its weights are its own."""

    def to_json(self) -> dict[str, Any]:
        """What ``flambeau show --json`` prints."""
        layers = [asdict(row) for row in self.rows]
        return {"network": self.name, "layers": layers, "total": asdict(total(self.rows)), "weights": list(self.weights)}

    def to_text(self) -> str:
        """The table for people."""
        heads = [text(f"table-{name}") for name in ("layer", "output", "parameters", "flops", "memory")]
        cells = [
            [printable(row.name), row.output, f"{row.parameters:,}", f"{row.flops:,}", f"{row.memory_bytes:,}"]
            for row in (*self.rows, total(self.rows))
        ]
        widths = [max(columns(line[place]) for line in (heads, *cells)) for place in range(len(heads))]
        return "\n".join([*(_line(line, widths) for line in (heads, *cells)), *map(printable, self.weights)])


def preview(request: Request, timed: bool, show: Show) -> Preview:
    """Everything that `fit` does before it trains, shown as it goes. Nothing is left behind but the cache.

    Args:
        timed: measure a few training steps for the estimate.
    """
    plan = resolve(request)
    with tempfile.TemporaryDirectory() as folder, plan.placing_errors():
        prepared = prepare(plan.source, plan.recipe, Path(folder), show)
        found, made = survey(plan, prepared, None)
        for event in (*plan.notices, found, made):
            show(event)
        learner = learning.begin(plan.recipe, prepared, request.allow_code)
        optimizer_of(learner.learner, learner.config, learner.groups)  # for what it does not agree to
        planned = learning.planned(plan, learner, learner.seconds if timed else None)
        for event in (*learner.network.notices, planned):
            show(event)
        return Preview(plan.recipe, found, made, planned)


def layers_of_model(path: Path, allow_code: bool) -> LayerTable:
    """The layers of a finished model."""
    loaded = load(path, allow_code=allow_code).artifact
    predictor = loaded.predictor
    network = restore_network(loaded.path, predictor.inputs, predictor.target, allow_code)
    return LayerTable(loaded.name, layer_table(network, {name: chosen.gives for name, chosen in predictor.inputs.items()}))


def layers_of_plan(request: Request) -> LayerTable:
    """The layers of the network that a request would build."""
    plan = resolve(request)
    preprocessors = preprocessors_of(plan.recipe.inputs, plan.source)
    assert plan.recipe.task is not None
    target = plan.recipe.task.fit([plan.source.raw(row) for row in range(len(plan.source))])
    specs = {name: chosen.gives for name, chosen in preprocessors.items()}
    with plan.placing_errors():
        modules = {name: chosen.module() for name, chosen in preprocessors.items()}
        network = build(plan.recipe.network, specs, modules, target.out_features, target.activation(), 0, allow_code=request.allow_code)
    return LayerTable(plan.network_name, layer_table(network, specs), [report.line for report in network.reports])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = [left(cell, width) for cell, width in zip(cells[:2], widths[:2], strict=True)]
    return "  ".join([*first, *(right(cell, width) for cell, width in zip(cells[2:], widths[2:], strict=True))])
