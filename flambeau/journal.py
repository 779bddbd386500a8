"""One run while it is made: its folder and lock, what was asked for, its clock, and all that is said on the way."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from flambeau import messages
from flambeau.data.examples import TRAIN
from flambeau.data.listing import data_page, split_csv
from flambeau.errors import FlambeauError, Interrupted, Notice, UsageError
from flambeau.events import Remark, Saved, Show, SplitMade, Surveyed
from flambeau.finishing import Tested, versions
from flambeau.inputs.input import Input
from flambeau.machine import hangups
from flambeau.planning import Plan, Request
from flambeau.preparation import Prepared
from flambeau.run import Run, read_run
from flambeau.runfolder import RunFolder, discard, find_run, new_run
from flambeau.storage import clear_unfinished, locked, write_atomically, writing


@dataclass
class Journal:
    """Set out for a new run, or taken up from one that was interrupted."""

    request: Request
    shown: Show
    refit: bool = False
    find_lr: bool = False
    folder: RunFolder | None = None
    """Where the run lies; None until its name is known."""
    resumed: bool = False
    record: Mapping[str, Any] = field(default_factory=dict)
    """What run.json said when the run was taken up."""
    seconds: dict[str, float] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    def show(self, event: object) -> None:
        """Shows an event; keeps warnings for the report, and warnings and remarks in log.txt."""
        if isinstance(event, Notice):
            self.notices.append(event.what)
        if isinstance(event, Notice | Remark) and self.folder is not None:
            with (self.folder.path / "log.txt").open("a", encoding="utf-8", errors="backslashreplace") as log:
                log.write(f"[{event.code}] {messages.printable(messages.text(event.code, **event.facts))}\n")
        self.shown(event)

    @property
    def is_finished(self) -> bool:
        """Whether the run that was taken up came to its end before."""
        return self.record.get("status") == "finished"

    def finished(self) -> Run:
        """The run as it ended; nothing is done again."""
        self.show(Remark("run-finished", {"run": str(self.opened_folder.path)}))
        return read_run(self.opened_folder, self.request.allow_code)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Adds the seconds of what is inside to a stage."""
        started = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0) + time.perf_counter() - started

    @contextmanager
    def opened(self, plan: Plan, path: str | Path | None, force: bool) -> Iterator[RunFolder]:
        """The run's folder, for this process alone, with its recipe in it.

        Raises:
            UsageError: the folder is taken.
            Interrupted: the work inside was; the message says how to go on.
        """
        folder = self.folder or new_run(None if path is None else Path(path), plan.source.name, force)
        with writing(folder.path), locked(folder.path), terminable():
            self.folder = folder
            clear_unfinished(folder.path)
            try:
                if not self.resumed:
                    self._begin(plan)
                yield folder
            except (Interrupted, KeyboardInterrupt) as stop:
                if folder.record.exists():
                    with undisturbed():
                        folder.write(status="interrupted")
                number = stop.exit_code - 128 if isinstance(stop, Interrupted) else signal.SIGINT
                at_once = isinstance(stop, Interrupted) and stop.code == "interrupted-at-once"
                code = "run-stopped-at-once" if at_once else "run-interrupted"
                raise Interrupted(code, signal=number, where=str(folder.path), run=folder.path) from stop
            except Exception as error:
                if not self.resumed:
                    self._failed(error)
                raise

    def _failed(self, error: Exception) -> None:
        """Leaves no folder of a run that came to nothing by its user's mistake; one that a bug or the system stopped is there to be looked at."""
        folder = self.opened_folder
        if isinstance(error, FlambeauError) and not folder.checkpoints.exists():
            discard(folder)
        elif folder.record.exists():
            with suppress(FlambeauError):
                folder.write(status="failed")

    def _begin(self, plan: Plan) -> None:
        folder = self.opened_folder
        (folder.path / "log.txt").touch()
        write_atomically(folder.recipe, (plan.given or plan.recipe.to_yaml()).encode("utf-8", "surrogateescape"))
        write_atomically(folder.resolved, plan.recipe.to_yaml().encode("utf-8", "surrogateescape"))
        folder.write(
            status="running",
            name=plan.source.name,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            network=plan.network_name,
            why=plan.why,
            refit=self.refit,
            find_lr=self.find_lr,
            in_memory=isinstance(self.request.data, Mapping),
            seed=plan.recipe.training.seed,
            versions=versions(),
            source=plan.source.fingerprint,
        )

    @property
    def opened_folder(self) -> RunFolder:
        """The folder, once it is open."""
        assert self.folder is not None
        return self.folder

    def settle(self, plan: Plan) -> None:
        """Writes the recipe again, after a trial on this machine has settled something in it: `--resume` must not try again."""
        write_atomically(self.opened_folder.resolved, plan.recipe.to_yaml().encode("utf-8", "surrogateescape"))
        self.opened_folder.write(find_lr=False)

    def surveyed(self, plan: Plan, data: Prepared) -> None:
        """Writes and shows what was found in the data.

        Raises:
            UsageError: it is not what it was when the run began.
        """
        folder = self.opened_folder
        digest = data.cache.facts.digest
        if self.record.get("data", digest) != digest:
            raise UsageError("data-changed", where=str(plan.source.place or plan.source.name))
        write_atomically(folder.data, data_page(plan.source, data.cleaned, data.split, data.counts_by_split).encode("utf-8", "surrogateescape"))
        write_atomically(folder.split, split_csv(plan.source, data.cache.facts, data.split).encode("utf-8", "surrogateescape"))
        folder.write(data=digest)
        for event in (*plan.notices, *survey(plan, data, folder.data)):
            self.show(event)

    def close(self, tested: Tested, inputs: Mapping[str, Input]) -> Run:
        """Marks the run as finished; what `fit` gives back."""
        folder = self.opened_folder
        self.seconds["total"] = sum(self.seconds.values())
        seconds = {stage: round(value, 3) for stage, value in self.seconds.items()}
        folder.write(status="finished", test=tested.headlines, baseline=tested.baseline, verdict=tested.verdict, seconds=seconds)
        ending = next(iter(inputs.values())).file_ending if len(inputs) == 1 else Input.file_ending
        size = sum(file.stat().st_size for file in folder.artifact.rglob("*") if file.is_file())
        self.show(Saved(folder.artifact, size, folder.report, folder.path, ending))
        return read_run(folder, self.request.allow_code)


def survey(plan: Plan, data: Prepared, listing: Path | None) -> tuple[Surveyed, SplitMade]:
    """What the data holds and how it was split, for people."""
    settings = plan.recipe.data.split
    given = data.source.given is not None
    how = "split-ordered" if settings.order else "split-given" if given else "split-group" if settings.group else "split-stratified"
    used = data.split.used()
    kinds = {name: chosen.type for name, chosen in data.preprocessors.items()}
    where = str(plan.source.place or plan.source.name)
    counts = {group: sum(split[group] for split in data.counts_by_split.values()) for group in data.counts_by_split[TRAIN]}
    bad, duplicates = len(data.cleaned.problems), data.cleaned.num_duplicates
    found = Surveyed(where, kinds, str(plan.source.target), counts, bad, duplicates, listing, data.target.judged_as, len(used), given)
    return found, SplitMade(len(data.split.train), len(data.split.valid), len(data.split.test), how, settings.seed)


def journal_of(request: Request, resume: str | Path | None, show: Show, refit: bool, find_lr: bool) -> Journal:
    """A new journal, or that of an interrupted run, whose resolved recipe is the request then.

    Raises:
        DataError: there is no run.
        UsageError: the data of the run was in memory and is not given again; or something is to be otherwise.
    """
    if resume is None:
        return Journal(request, show, refit, find_lr)
    folder = find_run(Path(resume)) or RunFolder(Path(resume))
    record = folder.read()
    if record["in_memory"] and request.data is None:
        raise UsageError("data-in-memory", where=str(resume))
    if request.recipe is not None or request.settings or request.target is not None:
        raise UsageError("resume-alone", where=str(resume))
    again = replace(request, recipe=folder.resolved, settings=(), target=None, network=(record["network"], record["why"]))
    return Journal(again, show, record["refit"], record["find_lr"], folder, True, record)


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM and SIGHUP raise Interrupted inside, so that it ends as Ctrl-C does. Signals reach Python's main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        raise Interrupted("interrupted", signal=number)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, *hangups())}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


@contextmanager
def undisturbed() -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP change nothing inside: the last word of a run that was stopped is written, however often it is told to stop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM, *hangups())}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
