"""Work that is stopped at a file event or at a random moment and taken up again, in forked children of one process.

    python killing.py training FOLDER FAULT EVERY
    python killing.py fit      FOLDER FAULT EVERY
    python killing.py random   FOLDER KILLS

One process imports everything and forks, so that a kill costs no start. Prints one JSON object: how many points there are, how many
were tried, and what went wrong at which.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from injector import Injector, Point

HERE = Path(__file__).parent
RECIPE: dict[str, Any] = {
    "inputs": {"image": {"type": "image"}},
    "network": [{"conv2d": 4}, {"batch_norm": {}}, "relu", {"dropout": 0.2}, "flatten"],
    "training": {"epochs": 3, "batch_size": 64, "stop_early": None, "threads": 1, "checkpoint_seconds": 0, "precision": "fp32"},
}
"""Everything that has a state, and a checkpoint after every step."""
EXPECTED = {"ENOSPC": "disk-full", "EIO": "cannot-write"}
"""What an error of the disk is called."""


def load(path: Path) -> ModuleType:
    """A file of the tests as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@dataclass
class Training:
    """A small training by `flambeau.training.loop.train`, whose checkpoints are all that it writes."""

    def __post_init__(self) -> None:
        self._begin: Any = load(HERE.parent / "training" / "conftest.py")

    def begin(self, root: Path, resume: bool) -> int:
        """Trains to the end; 0, or the exit code of the error, whose code is left in `root`."""
        from flambeau.errors import FlambeauError

        settings = {"optimizer": "adamw", "ema": 0.9, "epochs": 2, "examples": 64, "checkpoint_seconds": 0.0}
        try:
            run = self._begin.start(root / "checkpoints", resume=resume, **settings)
            run.finish()
        except FlambeauError as error:
            (root.parent / f"{root.name}.error").write_text(error.code)
            return error.exit_code
        (root.parent / f"{root.name}.hash").write_text(self._begin.sha256(run.network))
        return 0

    def outcome(self, root: Path) -> Any:
        """All that must not depend on the interruption."""
        half_written = [path.name for path in (root / "checkpoints").iterdir() if path.name.startswith(".")]
        return {"network": (root.parent / f"{root.name}.hash").read_text(), "files": half_written}


@dataclass
class Fit:
    """A whole `flambeau fit`, from the command line's entry point."""

    data: Path
    recipe: Path

    def begin(self, root: Path, resume: bool) -> int:
        """`flambeau fit`, or what its user does after it was stopped: resume it, or give the command again if it never began."""
        import flambeau as fb
        from flambeau import cli

        os.environ["FLAMBEAU_CACHE"] = str(root / "cache")
        command = ["fit", str(self.data), "--recipe", str(self.recipe), "--run", str(root / "run"), "--json"]
        if resume and (root / "run" / "run.json").exists():
            command = ["fit", "--resume", str(root / "run"), "--json"]
        places = [root.parent / f"{root.name}.{name}" for name in ("out", "err")]
        with places[0].open("w") as out, places[1].open("w") as err, redirect_stdout(out), redirect_stderr(err):
            code = cli.run(command)
        if code == 0:
            assert fb.load(root / "run", threads=1).labels
        else:
            told = json.loads((root.parent / f"{root.name}.out").read_text().splitlines()[-1])
            (root.parent / f"{root.name}.error").write_text(told["error"]["code"])
        return code

    def outcome(self, root: Path) -> Any:
        """All that must not depend on the interruption."""
        run = root / "run"
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        record = json.loads((run / "run.json").read_bytes())
        return {
            "weights": hashlib.sha256((run / "model.flambeau/weights.safetensors").read_bytes()).hexdigest(),
            "answers": (run / "model.flambeau/golden/golden.json").read_text(),
            "metrics": [{name: value for name, value in line.items() if name != "seconds"} for line in lines],
            "split": (run / "split.csv").read_text(encoding="utf-8"),
            "run": (record["status"], record["test"]),
            # the run takes the cache in where the usual place refuses it
            "files": sorted(
                str(path.relative_to(run)) for path in run.rglob("*") if not {"checkpoints", "cache"} & set(path.parts[len(run.parts) :])
            ),
        }


Work = Training | Fit


def in_a_child(work: Callable[[], int]) -> int:
    """Process id of a child that does `work` and ends with its number."""
    child = os.fork()
    if child == 0:
        try:
            code = work()
        except BaseException:  # noqa: BLE001 (whatever it is, the parent has to hear of it)
            traceback.print_exc()
            code = 99
        os._exit(code)
    return child


def ended(child: int) -> int:
    """The exit code of a child; minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def watched(work: Work, root: Path, injector: Injector, listing: Path | None = None) -> int:
    """Does the work under an injector, in a child; its exit code."""

    def inside() -> int:
        with injector.watching():
            code = work.begin(root, resume=False)
        if listing is not None:
            listing.write_text(json.dumps(injector.events))
        return code

    return ended(in_a_child(inside))


def at_every_point(work: Work, folder: Path, fault: str, every: int) -> dict[str, Any]:
    """The fault at every so-many-th point, and going on after it."""
    root = folder / "whole"
    root.mkdir()
    assert watched(work, root, Injector(root), folder / "events") == 0
    whole = work.outcome(root)
    events = json.loads((folder / "events").read_text())
    points = Injector(root, fault=fault, events=events).points
    faults = []
    for point in points[random.Random(fault).randrange(every) :: every]:
        root = folder / f"{point.event}-{point.phase}"
        root.mkdir()
        told = one_point(work, root, point, fault, whole, kept=events[point.event].removeprefix("unlink run/") if fault == "EIO" else "")
        if told:
            faults.append(f"{point.phase} {point.event} ({events[point.event]}): {told}")
        shutil.rmtree(root)
    return {"events": len(events), "points": len(points), "tried": len(range(0, len(points), every)), "faults": faults}


def one_point(work: Work, root: Path, point: Point, fault: str, whole: Any, kept: str) -> str:
    """What went wrong at one point; "" if nothing did. The file `kept`, which the disk refused to remove, may stay."""
    code = watched(work, root, Injector(root, point, fault))
    if fault == "kill" and code != -signal.SIGKILL:
        return f"it was not killed: {code}"
    if fault != "kill" and code not in (0, 4):
        return f"exit code {code}, {said(root)}"
    if fault != "kill" and code == 4 and said(root) not in (EXPECTED[fault], "cache-full"):
        return f"told as {said(root)}"
    code = ended(in_a_child(lambda: work.begin(root, resume=True)))
    if code != 0:
        return f"it does not go on: {code}, {said(root)}"
    outcome = work.outcome(root)
    if kept in outcome["files"] and kept not in whole["files"]:
        outcome["files"].remove(kept)
    return "" if outcome == whole else f"another outcome: {[name for name in whole if outcome[name] != whole[name]]}, {outcome['files']}"


def said(root: Path) -> str:
    """The code of the error that ended the work."""
    place = root.parent / f"{root.name}.error"
    return place.read_text() if place.exists() else "no error was told"


def at_random(work: Work, folder: Path, kills: int) -> dict[str, Any]:
    """kill -9 at random moments, again and again, until there were so many; every run that comes to its end is compared."""
    root = folder / "whole"
    root.mkdir()
    started = time.monotonic()
    assert ended(in_a_child(lambda: work.begin(root, resume=False))) == 0
    seconds = time.monotonic() - started
    whole = work.outcome(root)
    seed = int(os.environ.get("FLAMBEAU_SEED", time.time_ns() % 2**32))
    moments = random.Random(seed)
    done, runs, faults = 0, 0, []
    while done < kills and not faults:
        root = folder / f"run-{runs}"
        root.mkdir()
        runs += 1
        code, tries = -signal.SIGKILL, 0
        while code != 0:
            resume = tries > 0
            child = in_a_child(lambda root=root, resume=resume: work.begin(root, resume=resume))  # type: ignore[misc]
            tries += 1
            if done < kills and tries <= 5:
                time.sleep(moments.random() * seconds)
                os.kill(child, signal.SIGKILL)
            code = ended(child)
            done += code == -signal.SIGKILL
            if code not in (0, -signal.SIGKILL):
                faults.append(f"seed {seed}, run {runs}: exit code {code}, {said(root)}")
                break
        if code == 0 and (outcome := work.outcome(root)) != whole:
            faults.append(f"seed {seed}, run {runs}: another outcome: {[name for name in whole if outcome[name] != whole[name]]}, {outcome['files']}")
        shutil.rmtree(root, ignore_errors=bool(faults))
    return {"kills": done, "runs": runs, "faults": faults}


def remember_exports() -> None:
    """Makes an export of the same weights, most of the time of a small fit, a copy: what is tested here is what happens around it."""
    from flambeau.exporting.onnx import Onnx

    real = Onnx.export
    known: dict[str, bytes] = {}

    def export(self: Onnx, network: Any, sample: Any, path: Path, metadata: Any) -> None:
        digest = hashlib.sha256(json.dumps(dict(metadata)).encode())
        for name, tensor in network.state_dict().items():
            digest.update(name.encode() + tensor.numpy().tobytes())
        if digest.hexdigest() in known:
            path.write_bytes(known[digest.hexdigest()])
            return
        real(self, network, sample, path, metadata)
        known[digest.hexdigest()] = path.read_bytes()

    Onnx.export = export  # type: ignore[method-assign]


def small_fit(folder: Path) -> Fit:
    """A fit of 60 digits."""
    from flambeau.demo import write_digits

    (folder / "recipe.yaml").write_text(json.dumps(RECIPE))
    return Fit(write_digits(folder / "digits", classes=3, limit=24), folder / "recipe.yaml")


def main(what: str, folder: Path, *rest: str) -> None:
    """See the top of the file."""
    import torch

    torch.set_num_threads(1)
    remember_exports()
    work: Work = Training() if what == "training" else small_fit(folder)
    (folder / "first").mkdir()
    assert work.begin(folder / "first", resume=False) == 0  # here and not in the children: much is imported at its first use
    told = at_random(work, folder, int(rest[0])) if what == "random" else at_every_point(work, folder, rest[0], int(rest[1]))
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
