"""What happens when too much is asked: three times the capacity, SIGTERM under load, 400 slow connections.

python benchmarks/serving_overload.py [--full] [--model resnet18|tiny]

Quick mode loads it for 10 seconds once, full mode three times for 60. Rates are a share of what was measured just before on the same server.
"""

from __future__ import annotations

import argparse
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

import psutil
from measuring import record
from serving import OURS, running
from serving_models import Case, prepare

COMMAND = "python benchmarks/serving_overload.py"
TIMES = 3
NUM_SLOW = 400


def overload(case: Case, seconds: float, rounds: int, command: str) -> None:
    """Three times the capacity: goodput, how soon the rest is refused, what is lost, and the memory.

    What the server can do is measured before and after each round, as the machine changes its speed.
    """
    pause = min(10.0, seconds)
    with running(OURS, case, Path(sys.executable)) as server:
        capacities = [server.ask(32, pause, case.pictures)["per_second"]]
        before = server.memory()
        results = []
        for _ in range(rounds):
            results.append(server.ask(500, seconds, case.pictures, "--rate", f"{TIMES * capacities[-1]:.1f}"))
            capacities.append(server.ask(32, pause, case.pictures)["per_second"])
        growth = server.memory() - before
    goodputs = [2 * result["per_second"] / (start + end) for result, start, end in zip(results, capacities, capacities[1:], strict=False)]
    refused = sum(result["statuses"].get("503", 0) for result in results)
    slowest = max(result["p99_ms"].get("503", 0.0) for result in results)
    lost, held_back = (sum(result[name] for result in results) for name in ("lost", "held_back"))
    text = f"goodput {median(goodputs):.0%} of {median(capacities):,.0f} requests/s, {refused:,} refused with p99 {slowest:.0f} ms"
    rest = f"{lost} lost of {sum(result['sent'] for result in results):,}, {held_back:,} not sent for want of a free connection of 500"
    spread = f"{min(goodputs):.0%} to {max(goodputs):.0%}"
    record(
        f"serving {case.name}, {TIMES} times the capacity for {seconds:.0f} s", f"{text}; {rest}, memory {growth:+.1f} MB", rounds, spread, command
    )


def drain(case: Case, command: str) -> None:
    """SIGTERM under load: every request that was sent on a connection that was not closed gets its answer."""
    with running(OURS, case, Path(sys.executable)) as server:
        timer = threading.Timer(1.5, server.process.send_signal, (signal.SIGTERM,))
        timer.start()
        result = server.ask(32, 3.0, case.pictures)
        code = server.process.wait(30)
    text = f"{result['lost']} of {result['sent']:,} requests lost, exit code {code}"
    record(f"serving {case.name}, SIGTERM under load of 32 clients", text, 1, "-", command)


def slow(case: Case, command: str) -> None:
    """Connections that send a byte of their head a second: how long they last, and what others get meanwhile."""
    with running(OURS, case, Path(sys.executable)) as server:
        alone = server.ask(8, 3.0, case.pictures)["per_second"]
        begin = time.perf_counter()
        connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(NUM_SLOW)]
        for connection in connections:
            connection.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\n")
        served = server.ask(8, 3.0, case.pictures)["per_second"]
        while connections and time.perf_counter() - begin < 60:
            connections = [connection for connection in connections if dribbles(connection)]
            time.sleep(1)
        lasted = time.perf_counter() - begin
        left = len(psutil.Process(server.process.pid).net_connections("tcp")) - 1
    text = f"all closed after {lasted:.0f} s ({left} left); others meanwhile {served / alone:.0%} of their requests/s"
    record(f"serving {case.name}, {NUM_SLOW} slow connections", text, NUM_SLOW, "-", command)


def dribbles(connection: socket.socket) -> bool:
    """Send one more byte -> whether the connection still lives."""
    try:
        connection.setblocking(False)
        if connection.recv(65536):
            connection.close()
            return False
    except BlockingIOError:
        connection.setblocking(True)
        connection.sendall(b"a")
        return True
    except OSError:
        pass
    connection.close()
    return False


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--full", action="store_true")
    words.add_argument("--model", default="resnet18")
    words.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()) / "flambeau-serving")
    asked = words.parse_args()
    case = prepare(asked.model, asked.scratch)
    command = f"{COMMAND}{' --full' if asked.full else ''} --model {asked.model}"
    overload(case, *((60.0, 3) if asked.full else (10.0, 1)), command)
    drain(case, command)
    slow(case, command)


if __name__ == "__main__":
    main()
