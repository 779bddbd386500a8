"""Events as the lines that a person reads: results to one stream, progress to the other, a live line only on a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import singledispatchmethod
from pathlib import Path
from typing import Any, TextIO

from flambeau.errors import Notice
from flambeau.evaluation import numerals
from flambeau.evaluation.kinds import EVALUATIONS
from flambeau.events import Ejected, Exported, Planned, Progress, Remark, Saved, SplitMade, Started, Surveyed, Tested, Trained
from flambeau.messages import columns, left, printable, right, text
from flambeau.types import Epoch

MARGIN = 7
"""Columns of the words at the left ("Data", "Split"), the gap included."""
SCORES = {"accuracy": 10, "macro_recall": 13, "mae": 10, "rmse": 10, "r2": 9, "quadratic_kappa": 11, "micro_f1": 14, "macro_f1": 14}
"""The validation scores that the table of epochs shows where an epoch has them, and their columns' widths."""
NUMBERS = frozenset({"mae", "rmse", "r2", "quadratic_kappa"})
"""Those that are no shares."""


class Transcript:
    """Writes each event as it comes. A `Transcript` is a `Show`."""

    def __init__(self, results: TextIO, progress: TextIO, live: bool = False) -> None:
        """
        Args:
            results: takes what the user asked for (standard output).
            progress: takes how it is going (standard error).
            live: `progress` is a terminal on which a line can be drawn again.
        """
        self._results = results
        self._progress = progress
        self._live = live
        self._drawn = False
        self._in_table = False
        self._keeps_best = True

    def __call__(self, event: object) -> None:
        """Writes one event."""
        if self._drawn and not isinstance(event, Progress):
            self._erase()
        if self._in_table and not isinstance(event, Epoch | Notice):
            self._say("")
            self._in_table = False
        self._show(event)

    @singledispatchmethod
    def _show(self, event: object) -> None:
        raise AssertionError(f"no line for {type(event).__name__}")

    @_show.register
    def _(self, event: Started) -> None:
        self._say(f"flambeau {event.version} · torch {event.torch} · {event.device}\n")

    @_show.register
    def _(self, event: Progress) -> None:
        if self._live:
            share = event.done / max(event.total, 1)
            bar = "█" * round(share * 24)
            self._progress.write(f"\r{left(text(event.stage), 12)} {bar:<24} {event.done:,}/{event.total:,} ")
            self._progress.flush()
            self._drawn = True
            if event.done >= event.total:
                self._erase()

    @_show.register
    def _(self, event: Notice) -> None:
        self._say(f"{text('word-warning')}[{event.code}] {printable(event.what)}")
        if event.fix:
            self._say(f"    {printable(event.fix)}")

    @_show.register
    def _(self, event: Remark) -> None:
        self._say(printable(text(event.code, **event.facts)))

    @_show.register
    def _(self, event: Surveyed) -> None:
        kinds = " · ".join(f"{printable(name)}: {kind}" for name, kind in event.kinds.items())
        self._line(
            "line-data",
            text(
                "data-found",
                name=printable(event.name),
                n=sum(event.counts.values()) if event.num_examples is None else event.num_examples,
                groups=text(f"data-groups-{event.task}", n=len(event.counts)),
                kinds=kinds,
                target=printable(event.target),
            ),
        )
        self._line("", _counts(event.counts))
        found = [text("data-bad", n=event.num_bad)] if event.num_bad else []
        found += [text("data-duplicates-given" if event.given else "data-duplicates", n=event.num_duplicates)] if event.num_duplicates else []
        if found:
            self._line("", " · ".join(found) + (f"       {text('word-details')}: {_short(event.listing)}" if event.listing else ""))

    @_show.register
    def _(self, event: SplitMade) -> None:
        self._line("line-split", text("split-sizes", train=event.train, valid=event.valid, test=event.test, how=text(event.how, seed=event.seed)))

    @_show.register
    def _(self, event: Planned) -> None:
        self._line(
            "line-plan", " · ".join([f"{event.network} {_short_number(event.parameters)} {text('word-parameters')}", *map(printable, event.inputs)])
        )
        for line in (*event.prepared, *event.weights):
            self._line("", printable(line))
        self._keeps_best = event.keep_best
        stop = text("plan-stop", n=event.stop_early) if event.stop_early else ""
        means = [event.mean] if event.mean else []
        ends = text("plan-epochs", n=event.epochs) + stop + ("" if event.keep_best else text("plan-last"))
        self._line("", " · ".join([event.optimizer, event.schedule, *means, text("plan-batch", n=event.batch_size), ends]))
        if event.augment:
            self._line("", text("plan-augment", steps=" · ".join(event.augment)))
        self._line("", " · ".join(f"{key} {value}" for key, value in event.execution.items()))
        for trial in event.trials:
            self._line("", trial)
        if event.reason:
            self._line("", event.reason)
        for alternative in event.alternatives:
            self._line("", alternative)
        if event.seconds is not None:
            self._line("", text("plan-time", time=_duration(event.seconds)))
        self._say("")

    @_show.register
    def _(self, event: Epoch) -> None:
        heads = {name: text(f"column-val-{name.replace('_', '-')}") for name in SCORES if name in event.valid}
        scores = {name: max(SCORES[name], columns(head) + 2) for name, head in heads.items()}
        if not self._in_table:
            before = right(text("column-epoch"), 6) + right(text("column-train-loss"), 13) + right(text("column-val-loss"), 11)
            self._say(before + "".join(right(head, scores[name]) for name, head in heads.items()) + right(text("column-time"), 9))
            self._in_table = True
        losses = right(f"{event.number}", 6) + right(_number(event.train_loss, 13), 13) + right(_number(event.valid_loss, 11), 11)
        told = "".join(right(_cell(name, event.valid[name], width), width) for name, width in scores.items())
        row = losses + told + right(_duration(event.seconds), 9)
        self._say(row + (f"  <- {text('word-best')}" if event.best and self._keeps_best else ""))

    @_show.register
    def _(self, event: Trained) -> None:
        for sentence in filter(None, (event.stopped, event.advice, event.calibrated)):
            self._line("line-train" if sentence == (event.stopped or event.advice) else "", sentence)

    @_show.register
    def _(self, event: Tested) -> None:
        lines = EVALUATIONS[event.task].lines(event.test, event.baseline, event.weakest)
        for place, (key, facts) in enumerate(lines):
            self._result("" if place else "line-test", printable(text(key, **facts)))

    @_show.register
    def _(self, event: Saved) -> None:
        self._result("line-saved", text("saved-line", path=_short(event.artifact), size=_bytes(event.num_bytes)))
        self._result("line-report", _short(event.report))
        run = shlex.quote(_short(event.run))
        self._results.write("\n")
        self._result("line-next", f"flambeau predict {run} {text('word-new-file')}{event.ending}")
        self._result("", f"flambeau export  {run} --to onnx")
        self._result("", f"flambeau serve   {run}")

    @_show.register
    def _(self, event: Exported) -> None:
        found: Mapping[str, Any] = event.verification
        self._result(event.target.upper(), f"{_short(event.path)}  {_bytes(event.num_bytes)}")
        facts = {"n": found["num_examples"], "difference": found["largest_difference"], "same": found["num_same"]}
        self._result("line-check", text("check-line", **facts, verdict=text("word-pass" if found["passed"] else "word-fail")))
        if event.score is not None:
            self._result("line-score", text("score-line", **event.score))
        times = " · ".join(f"{name} {milliseconds:.2f} ms" for name, milliseconds in event.latency.items())
        self._result("line-speed", f"{times}   ({text('speed-how')})")
        if event.serving is not None:
            self._result("line-serves", _serving(event.target, event.precision, event.serving))

    @_show.register
    def _(self, event: Ejected) -> None:
        self._result("line-ejected", f"{_short(event.path)}  {_bytes(event.num_bytes)}  {', '.join(event.files)}")
        self._result("line-check", text("ejected-line", n=event.num_checked))

    def _line(self, key: str, content: str) -> None:
        self._say(_margin(key) + content)

    def _say(self, content: str) -> None:
        self._progress.write(content + "\n")
        self._progress.flush()

    def _result(self, key: str, content: str) -> None:
        self._results.write(_margin(key) + content + "\n")
        self._results.flush()

    def _erase(self) -> None:
        self._progress.write("\r\x1b[2K")
        self._progress.flush()
        self._drawn = False


def _serving(target: str, precision: str, chosen: Mapping[str, Any]) -> str:
    """Which runner serves, and why."""
    sizes = ", ".join(next(iter(chosen["milliseconds"].values())))
    facts = {"runtime": f"{target} {precision}", "speedup": chosen["speedup"], "sizes": sizes, "threads": chosen["threads"], "gain": chosen["needed"]}
    return text("serves-tested" if chosen["target"] != target else "serves-other", **facts)


def _margin(key: str) -> str:
    word = text(key) if key.startswith("line-") else key
    return left(word + " ", MARGIN)


def _counts(counts: Mapping[str, int]) -> str:
    shown = [f"{printable(label)} {count:,}" for label, count in counts.items()]
    most, least = max(counts.values()), min(counts.values())
    ratio = f"   ({text('data-ratio', ratio=most / max(least, 1))})" if most > 1.5 * least else ""
    more = f" · … (+{len(shown) - 12})" if len(shown) > 12 else ""
    return " · ".join(shown[:12]) + more + ratio


def _cell(name: str, value: float, width: int) -> str:
    """A validation score as the table of epochs shows it."""
    return _number(value, width, numerals.decimal(value)) if name in NUMBERS else f"{value:.1%}"


def _number(value: float, width: int, usual: str | None = None) -> str:
    """A number for a column of so many columns, two of them a gap: 0.215, or where that is too long 3.74e+15."""
    forms = (usual or f"{value:.3f}", f"{value:.2e}", f"{value:.1e}", f"{value:.0e}")
    return next((form for form in forms if len(form) <= width - 2), forms[-1])


def _short(path: Path) -> str:
    """The path from here if it lies below, else as it is."""
    try:
        return printable(path.relative_to(Path.cwd()))
    except ValueError:
        return printable(path)


def _short_number(value: float) -> str:
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g} {unit}"
    return f"{value:.0f}"


def _bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
