"""What `flambeau fit DATA` reaches with no recipe, on data that nothing was tuned for, beside scikit-learn on the very same split.

python benchmarks/zero_config.py [--data FOLDER] [--spoken FOLDER] [--seeds N] [NAME ...]

Texts:  reviews, spam, domains   TF-IDF (the characters or words that suit the language, 1-2-grams) with logistic regression beside it,
                                 which learns from train and validation; reviews by the recipe best_texts, too
Sounds: prompts                  telephone prompts in five languages
        speakers, spoken         spoken digits of --spoken, a folder with index.csv (file, label, speaker): the test speaker heard only in
                                 the test, each in turn; and a random split
Series: japanese_vowels, basic_motions, arrow_head     their official test splits
Tables: letter_recognition, satellite, vehicle         scikit-learn's MLP beside it
        boston_housing           root mean squared error over ten splits, beside scikit-learn's gradient boosting and MLP
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import signal_data
import table_data
import text_data
from measuring import record, spread

TEXTS = {"reviews": ("char", (1, 2)), "spam": ("word", (1, 1)), "domains": ("word", (1, 2))}
SERIES = ("japanese_vowels", "basic_motions", "arrow_head")
TABLES = ("letter_recognition", "satellite", "vehicle")
ACCURATE_TEXTS = "best_texts"
SPLITS = 10
"""Of the small regression."""


def fit(*words: object) -> dict[str, Any]:
    """What `flambeau fit ... --json` says."""
    command = [sys.executable, "-m", "flambeau", "fit", *map(str, words), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def told(name: str, runs: Sequence[dict[str, Any]], beside: str = "", *, how: str = "no recipe", metric: str = "accuracy", form: str = ".4f") -> None:
    """One row: the scores of the runs, and how long they took."""
    middle, between = spread([run["test"][metric]["value"] for run in runs], form)
    seconds = spread([run["seconds"]["total"] for run in runs], ".0f")[0]
    n = sum(run["test"][metric]["n"] for run in runs)
    record(
        f"{name}, {how}: test {metric}",
        f"{middle} (mean {format(mean(run['test'][metric]['value'] for run in runs), form)}); {seconds} s{beside}",
        n,
        between if len(runs) > 1 else f"95 % interval {runs[0]['test'][metric]['low']:.4f} to {runs[0]['test'][metric]['high']:.4f}",
        f"python benchmarks/zero_config.py {name}",
    )


def split_of(run: dict[str, Any], file: Path) -> tuple[list[list[str]], list[list[str]]]:
    """The rows of a table that a run trained on, and those that it was tested on."""
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.reader(opened))[1:]
    with (Path(run["run"]) / "split.csv").open(encoding="utf-8", newline="") as opened:
        words = {int(row["path"].removeprefix("#")): row["split"] for row in csv.DictReader(opened)}
    parts = {split: [rows[number - 1] for number, word in words.items() if word == split] for split in ("train", "valid", "test")}
    return parts["train"] + parts["valid"], parts["test"]


def text(name: str, folder: Path, scratch: Path, seeds: int, *more: str, how: str = "no recipe") -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    [file] = text_data.write(folder, name)
    runs = [fit(file, "--target", "label", "--seed", seed, "--run", scratch / f"{name}{seed}", *more) for seed in range(seeds)]
    train, test = split_of(runs[0], file)
    analyzer, pairs = TEXTS[name]
    vectorizer = TfidfVectorizer(analyzer=analyzer, ngram_range=pairs, sublinear_tf=True)
    model = LogisticRegression(C=10, max_iter=1000).fit(vectorizer.fit_transform([row[0] for row in train]), [row[1] for row in train])
    score = model.score(vectorizer.transform([row[0] for row in test]), [row[1] for row in test])
    told(name, runs, f"; TF-IDF on the first split {score:.4f}", how=how)


def texts(name: str, asked: argparse.Namespace, scratch: Path) -> None:
    text(name, asked.data, scratch, asked.seeds)
    if name == "reviews":  # half of them stand there twice or more: a random split knows the answers of many
        known = ("--set", "data.near_duplicates=ignore")
        text(name, asked.data, scratch / "known", asked.seeds, *known, how="near_duplicates=ignore, no recipe")
        accurate = ("--recipe", ACCURATE_TEXTS, "--refit")
        text(name, asked.data, scratch / "accurate", asked.seeds, *accurate, how="best_texts --refit")
        text(name, asked.data, scratch / "both", asked.seeds, *accurate, *known, how="near_duplicates=ignore, best_texts --refit")


def prompts(name: str, asked: argparse.Namespace, scratch: Path) -> None:
    folder = signal_data.prompts(asked.data)
    told(name, [fit(folder, "--seed", seed, "--max-bad", "2%", "--run", scratch / f"{name}{seed}") for seed in range(asked.seeds)])  # silence


def spoken(name: str, asked: argparse.Namespace, scratch: Path) -> None:
    """By speaker, each in turn for the test and the next for validation; or a random split."""
    if asked.spoken is None:
        sys.exit("say where the spoken digits are: --spoken FOLDER")
    with (asked.spoken / "index.csv").open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    speakers = sorted({row["speaker"] for row in rows})
    runs = []
    for place in range(len(speakers)) if name == "speakers" else range(asked.seeds):
        words = {speakers[place]: "test", speakers[(place + 1) % len(speakers)]: "valid"} if name == "speakers" else {}
        table = scratch / f"{name}{place}.csv"
        with table.open("w", encoding="utf-8", newline="") as opened:
            lines = [[asked.spoken / row["file"], row["label"], *([words.get(row["speaker"], "train")] if words else [])] for row in rows]
            csv.writer(opened).writerows([["sound", "digit", *(["split"] if words else [])], *lines])
        given = ["--set", "data.split.column=split"] if words else ["--seed", place]
        runs.append(fit(table, "--target", "digit", *given, "--run", scratch / f"{name}{place}"))
    told(name, runs)


def series(name: str, asked: argparse.Namespace, scratch: Path) -> None:
    file = signal_data.series(asked.data, name)
    told(name, [fit(file, "--seed", seed, "--run", scratch / f"{name}{seed}") for seed in range(asked.seeds)])


def table(name: str, asked: argparse.Namespace, scratch: Path) -> None:
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    [file] = table_data.write(asked.data, name)
    target = table_data.NAMES[name][1]
    runs = [fit(file, "--target", target, "--seed", seed, "--run", scratch / f"{name}{seed}") for seed in range(asked.seeds)]
    theirs = []
    for seed, run in enumerate(runs):
        train, test = split_of(run, file)
        model = make_pipeline(StandardScaler(), MLPClassifier(random_state=seed, max_iter=500))
        model.fit(np.array([row[:-1] for row in train], float), [row[-1] for row in train])
        theirs.append(model.score(np.array([row[:-1] for row in test], float), [row[-1] for row in test]))
    told(name, runs, f"; scikit-learn's MLP {spread(theirs, '.4f')[0]}")


def housing(name: str, asked: argparse.Namespace, scratch: Path) -> None:
    from sklearn.ensemble import GradientBoostingRegressor
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    [file] = table_data.write(asked.data, name)
    runs = [fit(file, "--target", "medv", "--seed", seed, "--run", scratch / f"{name}{seed}") for seed in range(SPLITS)]
    others: dict[str, list[float]] = {"gradient boosting": [], "MLP": []}
    for seed, run in enumerate(runs):
        train, test = (np.array(part, float) for part in split_of(run, file))
        boosting, mlp = GradientBoostingRegressor(random_state=seed), MLPRegressor(random_state=seed, max_iter=2000)
        for other, model in zip(others, (boosting, make_pipeline(StandardScaler(), mlp)), strict=True):
            wrong = model.fit(train[:, :-1], train[:, -1]).predict(test[:, :-1]) - test[:, -1]
            others[other].append(float(np.sqrt(np.mean(wrong**2))))
    beside = "; scikit-learn's " + ", ".join(f"{other} mean {mean(values):.3f}" for other, values in others.items())
    told(name, runs, beside, metric="rmse", form=".3f")


CASES: dict[str, Callable[[str, argparse.Namespace, Path], None]] = {
    **dict.fromkeys(TEXTS, texts),
    "prompts": prompts,
    **dict.fromkeys(("speakers", "spoken"), spoken),
    **dict.fromkeys(SERIES, series),
    **dict.fromkeys(TABLES, table),
    "boston_housing": housing,
}


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("names", nargs="*", choices=[*CASES, []], default=[name for name in CASES if name not in ("speakers", "spoken")])
    words.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "flambeau-data", help="where data is kept")
    words.add_argument("--spoken", type=Path, help="a folder of spoken digits with index.csv")
    words.add_argument("--seeds", type=int, default=1)
    asked = words.parse_args()
    warnings.filterwarnings("ignore", module="sklearn")
    for name in asked.names:
        with tempfile.TemporaryDirectory() as scratch:
            CASES[name](name, asked, Path(scratch))


if __name__ == "__main__":
    main()
