"""What a command costs before it does anything: `flambeau --help`, and `predict` of one picture.

python benchmarks/start_up.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from measuring import child_seconds, flambeau, record, spread

from flambeau.demo import write_digits

PROGRAM = [sys.executable, "-m", "flambeau"]
RUNS = 11


def main() -> None:
    helped = child_seconds([*PROGRAM, "--help"], RUNS)
    record("CPU seconds of --help", spread(helped)[0], RUNS, spread(helped)[1], "flambeau --help")
    with tempfile.TemporaryDirectory() as folder:
        digits = write_digits(Path(folder) / "digits", classes=4, limit=30)
        run = Path(folder) / "run"
        flambeau("fit", str(digits), "--run", str(run), "--epochs", "1")
        picture = next((digits / "3").iterdir())
        predicted = child_seconds([*PROGRAM, "predict", str(run), str(picture)], RUNS)
    record("CPU seconds of predict, one picture", spread(predicted)[0], RUNS, spread(predicted)[1], "flambeau predict RUN PICTURE")


if __name__ == "__main__":
    main()
