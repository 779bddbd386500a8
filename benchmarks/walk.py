"""The whole walk on a folder: seconds, test score, and whether Python, ONNX Runtime and HTTP answer alike on every test file.

python benchmarks/walk.py [FOLDER] [--seeds N]      FOLDER: one sub-folder for each class; scikit-learn's digits by default
"""

from __future__ import annotations

import argparse
import csv
import http.client
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import flambeau, record, spread

import flambeau as fb
from flambeau.demo import write_digits
from flambeau.exporting.torch import TorchRunner
from flambeau.predictor import Predictor
from flambeau.restoring import restore_network


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("folder", nargs="?", type=Path)
    words.add_argument("--seeds", type=int, default=3)
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.folder or write_digits(Path(scratch) / "digits")
        command = f"python benchmarks/walk.py {folder.name if asked.folder else ''}".strip()
        runs = [flambeau("fit", str(folder), "--run", str(Path(scratch) / f"run{seed}"), "--seed", str(seed)) for seed in range(asked.seeds)]
        scores = [run["test"]["accuracy"]["value"] for run in runs]
        seconds = [run["seconds"]["total"] for run in runs]
        record(f"{folder.name}: test accuracy", *_row(scores, ".4f"), command)
        record(f"{folder.name}: seconds of fit", *_row(seconds, ".1f"), command)
        worst, differing, n = agreement(Path(runs[0]["run"]), folder)
        record(f"{folder.name}: other answers over PyTorch, predict and HTTP", f"{differing} of {n}, largest difference {worst:.1e}", n, "-", command)


def _row(values: list[float], form: str) -> tuple[str, int, str]:
    middle, between = spread(values, form)
    return middle, len(values), between


def agreement(run: Path, folder: Path) -> tuple[float, int, int]:
    """Largest difference of a probability, files with different labels, and files, over the test split of a run."""
    with (run / "split.csv").open(encoding="utf-8", newline="") as file:
        files = [folder / row["path"] for row in csv.DictReader(file) if row["split"] == "test"]
    model = fb.load(run)
    predictor = model.artifact.predictor
    network = restore_network(model.path, predictor.inputs, predictor.target, allow_code=False)
    trained = Predictor(predictor.inputs, TorchRunner(network), predictor.target)
    references = trained.predict(trained.as_examples(files))
    shipped = model.predict(files)
    served = over_http(run, files)
    worst, differing = 0.0, 0
    for reference, ours, theirs in zip(references, shipped, served, strict=True):
        others = (ours.probabilities, theirs["probabilities"])
        worst = max(worst, *(abs(reference.probabilities[label] - other[label]) for other in others for label in other))
        differing += not reference.label == ours.label == theirs["label"]
    return worst, differing, len(files)


def over_http(run: Path, files: list[Path]) -> list[dict]:
    command = [sys.executable, "-m", "flambeau", "serve", str(run), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        host, port = json.loads(server.stdout.readline())["url"].removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(host, int(port))
        answers = []
        for file in files:
            connection.request("POST", "/predict", file.read_bytes(), {"Content-Type": "application/octet-stream"})
            answers.append(json.load(connection.getresponse())["predictions"][0])
        connection.close()
        server.terminate()
    return answers


if __name__ == "__main__":
    main()
