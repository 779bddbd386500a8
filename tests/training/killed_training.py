"""Trains once in peace and once under kill -9 at random moments; prints the number of kills and the hash of both networks."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from conftest import sha256, start

SETTINGS = {"optimizer": "adamw", "ema": 0.9, "epochs": 12, "examples": 256, "checkpoint_seconds": 0.0, "stop_early": None}


def train_in_a_child(folder: Path, resume: bool) -> int:
    """Process id of a child that trains and writes the hash of its network."""
    child = os.fork()
    if child == 0:
        run = start(folder, resume=resume, **SETTINGS)
        run.finish()
        (folder / "half").write_text(sha256(run.network))
        (folder / "half").rename(folder / "hash")
        os._exit(0)
    return child


def main(folder: Path) -> None:
    peaceful, killed = folder / "peaceful", folder / "killed"
    for path in (peaceful, killed):
        path.mkdir()
    started = time.monotonic()
    os.waitpid(train_in_a_child(peaceful, resume=False), 0)
    whole = time.monotonic() - started
    moments = random.Random(os.getpid())
    kills = 0
    while not (killed / "hash").exists():
        child = train_in_a_child(killed, resume=kills > 0)
        if kills < 5:
            time.sleep(moments.uniform(0.1, 0.5) * whole)
            os.kill(child, signal.SIGKILL)
            kills += 1
        os.waitpid(child, 0)
        if kills < 5:
            (killed / "hash").unlink(missing_ok=True)
    print(kills, (peaceful / "hash").read_text(), (killed / "hash").read_text())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
