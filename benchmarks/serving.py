"""How fast the server is: raw JPEG in, probabilities as JSON out, the server on one core and the client on another, beside its peers.

python benchmarks/serving.py [--full] [--rounds N] [--models tiny resnet18] [--scratch FOLDER]

The peers get an environment of their own, made on the first run, and each its own best setting: with batches of 16 for 64 clients, and
without for one. Rounds are interleaved. Quick mode takes some minutes once the models and the peers are there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psutil
from measuring import record
from serving_models import Case, prepare

HERE = Path(__file__).parent
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, CLIENT_CORE = CORES[0], CORES[-1]
OURS = "flambeau"
SERVERS = {OURS: "", "fastapi": "serving_peers.py", "litserve": "serving_litserve.py", "mosec": "serving_mosec.py"}
WARM_SECONDS = 2.0
"""Load before what counts, for every server: first batches of a size plan their memory, and ours finds its size by them."""
PACKAGES = (
    "litserve", "mosec", "fastapi", "uvicorn[standard]", "python-multipart", "orjson", "pillow", "simplejpeg", "onnxruntime", "openvino", "numpy",
)  # fmt: skip
"""Of the peers' environment."""
SINGLES = ("litserve", "mosec")
"""Those whose setting for one client is another than for many."""


class Running:
    """A server process with its children."""

    def __init__(self, process: subprocess.Popen[str], port: int, is_form: bool) -> None:
        self.process = psutil.Process(process.pid)
        self.port = port
        self.is_form = is_form
        self._parts: dict[int, psutil.Process] = {}

    def cpu(self) -> float:
        """User and system CPU seconds of the whole tree so far."""
        return sum(sum(part.cpu_times()[:2]) for part in self._tree())

    def memory(self) -> float:
        """MB that the tree holds for itself (proportional set size)."""
        return sum(part.memory_full_info().pss for part in self._tree()) / 2**20

    def ask(self, clients: int, seconds: float, pictures: Path, *more: str) -> dict:
        """Load it from the other core -> what the client saw, with the server's CPU seconds for each answer under "cpu"."""
        words = [sys.executable, str(HERE / "load.py"), "--port", str(self.port), "--folder", str(pictures), "--clients", str(clients)]
        before = self.cpu()
        done = subprocess.run(
            [*words, "--seconds", str(seconds), *(["--form"] if self.is_form else []), *more],
            check=True,
            capture_output=True,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {CLIENT_CORE}),
        )
        result = json.loads(done.stdout)
        answered = result["statuses"].get("200", 0)
        return {**result, "cpu": (self.cpu() - before) / max(1, answered)}

    def _tree(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


@contextmanager
def running(name: str, case: Case, python: Path, *, batched: bool = True, port: int = 8731) -> Iterator[Running]:
    """A server on its core, until the block ends."""
    pinned = {"preexec_fn": lambda: os.sched_setaffinity(0, {SERVER_CORE}), "text": True}
    if name == OURS:
        command = [sys.executable, "-m", "flambeau", "serve", str(case.run), "--port", "0", "--json"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, **pinned)
        port = int(json.loads(process.stdout.readline())["url"].rpartition(":")[2])
    else:
        words = ["--port", str(port), "--log-level", "error"] if name == "mosec" else [str(port)]
        process = subprocess.Popen(
            [str(python), str(HERE / SERVERS[name]), *words],
            env={**environment(case), "BATCHED": str(int(batched))},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=tempfile.gettempdir(),
            **pinned,
        )
    server = Running(process, port, name == "litserve")
    try:
        if name != OURS:
            wait_for(server, case.pictures)
        yield server
    finally:
        end(process)


def wait_for(server: Running, pictures: Path) -> None:
    """Until it answers; some listen before their model is loaded."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            if server.ask(1, 0.2, pictures)["statuses"].get("200"):
                return
        except subprocess.CalledProcessError:  # nobody listens yet
            time.sleep(0.3)
    raise SystemExit(f"no answer on port {server.port}")


def end(process: subprocess.Popen[str]) -> None:
    """SIGTERM to the server; what its children have not done by then is ended too, since some stay."""
    children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in psutil.wait_procs(children, timeout=3)[1]:
        child.kill()


def environment(case: Case) -> dict[str, str]:
    """What the peers read."""
    return {**os.environ, "MODEL": str(case.model), "SIZE": str(case.size), "MODE": case.mode, "OMP_NUM_THREADS": "1"}


def floor(case: Case, python: Path, seconds: float) -> dict:
    """The bare loop, on the server's core."""
    command = [str(python), str(HERE / "serving_peers.py"), "floor", str(case.pictures), str(seconds)]
    pin = {"preexec_fn": lambda: os.sched_setaffinity(0, {SERVER_CORE})}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment(case), **pin)
    loops: dict = json.loads(done.stdout)
    return loops


def one_round(case: Case, python: Path, seconds: float, names: Sequence[str]) -> dict[str, dict]:
    """Floor and servers, one after the other."""
    loops = floor(case, python, seconds)
    found = {"floor": {"many": loops["16"], "one": loops["1"]}}
    for name in names:
        with running(name, case, python) as server:
            ready = server.cpu()
            server.ask(64, WARM_SECONDS, case.pictures)
            many = server.ask(64, seconds, case.pictures)
            memory = server.memory()
            one = server.ask(1, seconds, case.pictures)
        if name in SINGLES:
            with running(name, case, python, batched=False) as server:
                one = server.ask(1, seconds, case.pictures)
        found[name] = {"many": many, "one": one, "memory": memory, "ready": ready}
    return found


def tell(case: Case, rounds: list[dict[str, dict]], command: str) -> None:
    """One row for each question into the table of results."""
    for key, clients, loop in (("many", "64 clients", "batched"), ("one", "one at a time", "one-by-one")):
        ours = [found[OURS][key] for found in rounds]
        shares = [found[OURS][key]["per_second"] / found["floor"][key]["per_second"] for found in rounds]
        cpu = [found["floor"][key]["cpu"] / found[OURS][key]["cpu"] for found in rounds]
        rates = f"{median(one['per_second'] for one in ours):,.0f} requests/s"
        answers = f"{rates}, {median(shares):.2f} of the {loop} loop without a server ({median(cpu):.2f} by CPU seconds)"
        record(f"serving {case.name}, {clients}", answers, len(rounds), between(shares), command)
        for peer in [name for name in rounds[0] if name not in (OURS, "floor")]:
            if not all(found[peer][key]["per_second"] for found in rounds):
                print(f"{peer} answered nothing in the time: {case.name}, {clients}", file=sys.stderr)
                continue
            times = [found[OURS][key]["per_second"] / found[peer][key]["per_second"] for found in rounds]
            less = [found[peer][key]["cpu"] / found[OURS][key]["cpu"] for found in rounds]
            answers = f"{median(times):.2f} times its requests/s ({median(less):.2f} by CPU seconds)"
            record(f"serving {case.name}, {clients}, against {peer}", answers, len(rounds), between(times), command)
    memories = [found[OURS]["memory"] for found in rounds]
    record(f"serving {case.name}, MB under load", f"{median(memories):.0f}", len(rounds), between(memories, ".0f"), command)
    starts = [found[OURS]["ready"] for found in rounds]
    record(f"serving {case.name}, CPU seconds until ready", f"{median(starts):.2f}", len(rounds), between(starts), command)


def between(values: Sequence[float], form: str = ".2f") -> str:
    """The range as text."""
    return f"{format(min(values), form)} to {format(max(values), form)}"


def peers(scratch: Path) -> Path:
    """The Python of the peers' environment, made now if need be."""
    folder = scratch / "peers"
    python = folder / "bin" / "python"
    done = folder / ".complete"
    if not done.exists() or done.read_text() != " ".join(PACKAGES):
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES], check=True)
        done.write_text(" ".join(PACKAGES))
    return python


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--full", action="store_true")
    words.add_argument("--rounds", type=int, help="7 with --full, else 2")
    words.add_argument("--models", nargs="+", default=["tiny", "resnet18"])
    words.add_argument("--servers", nargs="+", default=list(SERVERS))
    words.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()) / "flambeau-serving")
    asked = words.parse_args()
    count, seconds = (7, 5.0) if asked.full else (2, 1.5)
    count = asked.rounds or count
    command = "python benchmarks/serving.py" + (" --full" if asked.full else "") + (f" --rounds {asked.rounds}" if asked.rounds else "")
    python = peers(asked.scratch)
    cases = [prepare(name, asked.scratch) for name in asked.models]
    for case in cases:
        rounds = []
        for number in range(count):
            rounds.append(one_round(case, python, seconds, asked.servers))
            print(f"{case.name}, round {number + 1} of {count}", file=sys.stderr)
        tell(case, rounds, command)


if __name__ == "__main__":
    main()
