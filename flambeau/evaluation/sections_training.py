"""What was trained, and how the training went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from statistics import median

from flambeau.evaluation import numerals
from flambeau.evaluation.blocks import figure, note, section, table, terms
from flambeau.evaluation.estimates import LOWER_IS_BETTER
from flambeau.evaluation.facts import EpochFacts, LayerRow, ReportFacts, WeightsFacts
from flambeau.evaluation.markup import Markup, join, name_of, tag
from flambeau.evaluation.svg import Frame, axes, decades, drawing, legend, path, ticks, unbroken
from flambeau.evaluation.words import metric, say

Value = Callable[[EpochFacts], float | None]
Column = Sequence[tuple[float, float | None]]
MOST_NAMES = 12
"""Tensors of a file of weights that a cell names."""
MOST_LAYERS = 500
"""Lines of the model table."""
FEW_LAYERS = 6
"""So many layers get a line each; of more, the smallest, middle and largest gradient is drawn."""


def model(facts: ReportFacts) -> Markup | None:
    """The section about the network; None without facts about it."""
    known = facts.model
    if known is None:
        return None
    pairs = [(say("network"), name_of(known.name)), (say("parameters"), numerals.whole(known.parameters))]
    if known.input:
        pairs.append((say("input"), name_of(known.input)))
    flops = [row.flops for row in known.layers if row.flops is not None]
    if flops:
        pairs.append((say("flops"), numerals.large(sum(flops))))
    if known.size_bytes is not None:
        pairs.append((say("size"), numerals.size(known.size_bytes)))
    return section("model", note(name_of(known.why)) if known.why else None, terms(*pairs), _weights(known.weights), _layers(known.layers))


def _weights(files: Sequence[WeightsFacts]) -> Markup | None:
    """What the network started with, a row for each file."""
    if not files:
        return None
    heads = [say(f"weights-{name}") for name in ("file", "taken", "way", "new", "unused")]
    return table("weights-table", heads, [_weights_row(one) for one in files])


def _weights_row(one: WeightsFacts) -> list[Markup | str]:
    file = name_of(f"{one.place}: {one.file}" if one.place else one.file)
    taken = say("weights-count", loaded=one.loaded, total=one.total)
    behind = join(say(f"weights-by-{one.way}"), " ", name_of(f"{one.prefix}*")) if one.prefix else say(f"weights-by-{one.way}")
    return [file, taken, behind, _names(one.new), _names(one.unused)]


def _names(names: Sequence[str]) -> Markup | str:
    shown = ", ".join(names[:MOST_NAMES]) + (", …" if len(names) > MOST_NAMES else "")
    return join(f"{len(names):,}: ", name_of(shown)) if names else "0"


def _layers(rows: Sequence[LayerRow]) -> Markup | None:
    if not rows:
        return None
    heads = [say("layer"), say("output"), say("parameters"), say("flops"), say("memory")]
    return table("layers-table", heads, [_layer(row) for row in rows[:MOST_LAYERS]], numeric=(2, 3, 4))


def _layer(row: LayerRow) -> list[Markup | str]:
    figures = (numerals.whole(row.parameters), numerals.large(row.flops), numerals.size(row.memory_bytes))
    return [name_of(row.name), name_of(row.output), *figures]


def curves(facts: ReportFacts) -> Markup | None:
    """The section about the training; None without epochs."""
    epochs = facts.epochs
    if not epochs:
        return None
    charts = [_losses(epochs), *_metrics(epochs), _rates(epochs), _gradients(epochs)]
    told = say("epochs-told", n=len(epochs), seconds=numerals.duration(sum(epoch.seconds for epoch in epochs)))
    found = facts.calibration
    calibrated = None if found is None else join(" ", say("calibrated-told", **asdict(found)))
    return section("curves", note(told, " ", _told_kept(_kept(epochs)), calibrated), tag("div", *(chart for chart in charts if chart), class_="grid"))


def _kept(epochs: Sequence[EpochFacts]) -> EpochFacts | None:
    """The epoch whose weights were kept; where that was not recorded, the last one that was the best so far."""
    return next((epoch for epoch in epochs if epoch.kept), next((epoch for epoch in reversed(epochs) if epoch.best), None))


def _told_kept(kept: EpochFacts | None) -> Markup | None:
    if kept is None:
        return None
    return say("best-told", best=kept.number) if kept.best else say("last-told", last=kept.number)


def _losses(epochs: Sequence[EpochFacts]) -> Markup | None:
    values: dict[str, Value] = {"train": lambda epoch: epoch.train_loss, "valid": lambda epoch: epoch.valid_loss}
    return _chart("loss", epochs, [(say(f"split-{name}"), value) for name, value in values.items()])


def _metrics(epochs: Sequence[EpochFacts]) -> list[Markup | None]:
    """Scores and, apart from them, errors in the unit of the data; in percent only what is a share of something in every epoch."""
    names = [name for name in epochs[0].valid if not name.endswith("loss")][:8]
    errors = [name for name in names if name in LOWER_IS_BETTER]
    scores = [name for name in names if name not in LOWER_IS_BETTER]
    known = [value for epoch in epochs for name in scores if (value := epoch.valid.get(name)) is not None]
    share = all(map(numerals.is_share, scores)) and all(0 <= value <= 1 for value in known)
    return [
        _chart("valid", epochs, [(metric(name), _of("valid", name)) for name in scores], share=share),
        _chart("valid-errors", epochs, [(metric(name), _of("valid", name)) for name in errors]),
    ]


def _rates(epochs: Sequence[EpochFacts]) -> Markup | None:
    return _chart("rate", epochs, [(say("learning-rate"), lambda epoch: epoch.lr)])


def _gradients(epochs: Sequence[EpochFacts]) -> Markup | None:
    names = list(epochs[0].gradient_norms)
    if len(names) <= FEW_LAYERS:
        series: list[tuple[Markup, Value]] = [(name_of(name), _of("gradient_norms", name)) for name in names]
    else:
        series = [(say(key), _over_layers(choose)) for key, choose in (("largest", max), ("middle", median), ("smallest", min))]
    return _chart("gradients", epochs, series, log=True)


def _of(field: str, name: str) -> Value:
    """The value of one metric or layer in an epoch."""
    return lambda epoch: (epoch.valid if field == "valid" else epoch.gradient_norms).get(name)


def _over_layers(choose: Callable[[list[float]], float]) -> Value:
    def value(epoch: EpochFacts) -> float | None:
        known = [norm for norm in epoch.gradient_norms.values() if norm is not None]
        return choose(known) if known else None

    return value


def _chart(key: str, epochs: Sequence[EpochFacts], series: Sequence[tuple[Markup, Value]], share: bool = False, log: bool = False) -> Markup | None:
    """One chart over the epochs; None when nothing was measured. A logarithmic one leaves out what is not above 0."""
    columns = [[(float(epoch.number), _drawable(value(epoch), log)) for epoch in epochs] for _, value in series]
    values = [y for column in columns for _, y in column if y is not None]
    if not values:
        return None
    frame = Frame(x=_epoch_range(epochs), y=_range(values, share, log), log=log)
    drawn = [path(frame, run, f"c{i}") for i, column in enumerate(columns) for run in unbroken(column)]
    y_ticks = [(y, f"{y:.0%}" if share else f"{y:g}") for y in (decades(*frame.y) if log else ticks(*frame.y))]
    x_ticks = [(x, f"{x:g}") for x in ticks(*frame.x, most=8) if x == int(x)]
    labels = axes(frame, say("epoch", "tspan"), say(f"{key}-axis", "tspan"), x_ticks, y_ticks)
    picture = drawing(f"chart-{key}", f"chart-{key}", frame.width, frame.height, labels, _best(frame, epochs), *drawn)
    names = [name for name, _ in series]
    twin = _twin(key, epochs, names, columns, numerals.percent if share else numerals.decimal)
    return figure(f"chart-{key}", picture, legend(names) if len(names) > 1 else None, twin=twin)


def _drawable(y: float | None, log: bool) -> float | None:
    return y if y is not None and (y > 0 or not log) else None


def _twin(key: str, epochs: Sequence[EpochFacts], names: Sequence[Markup], columns: Sequence[Column], told: Callable[[float | None], str]) -> Markup:
    rows = [[str(epoch.number), *(told(column[i][1]) for column in columns)] for i, epoch in enumerate(epochs)]
    return table(f"chart-{key}", [say("epoch"), *names], rows, numeric=range(len(names) + 1))


def _epoch_range(epochs: Sequence[EpochFacts]) -> tuple[float, float]:
    first, last = epochs[0].number, epochs[-1].number
    return (float(first), float(last)) if last > first else (first - 0.5, first + 0.5)


def _range(values: Sequence[float], share: bool, log: bool) -> tuple[float, float]:
    """The ends of the y axis: round numbers around the values; losses and rates start at 0."""
    low, high = min(values), max(values)
    if log:
        powers = decades(low, high * 1.001)
        return powers[0], max(powers[-1], powers[0] * 10)
    bottom = max(0.0, low - (high - low) * 0.1 - 0.02) if share else min(0.0, low)
    steps = ticks(bottom, high if high > bottom else bottom + 1)
    step = steps[1] - steps[0] if len(steps) > 1 else high - bottom or 1.0
    top = steps[-1] if steps[-1] >= high - 1e-12 else steps[-1] + step
    bottom = bottom if steps[0] <= bottom + 1e-12 else steps[0] - step
    return bottom, min(top, 1.0) if share and top > 1 else top


def _best(frame: Frame, epochs: Sequence[EpochFacts]) -> Markup:
    """A line at the epoch that was kept."""
    kept = _kept(epochs)
    if kept is None:
        return Markup("")
    x = frame.px(kept.number)
    text = tag("text", say("best", "tspan"), x=x, y=frame.top - 6, class_="tick middle")
    return join(tag("line", x1=x, x2=x, y1=frame.top, y2=frame.height - frame.bottom, class_="best"), text)
