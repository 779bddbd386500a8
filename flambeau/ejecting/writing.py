"""The text of each ejected file."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from flambeau.ejecting import templates
from flambeau.ejecting.code import Code, in_docstring, laid_out, literal, mapping
from flambeau.ejecting.expressions import Expressions
from flambeau.ejecting.homes import PLAIN
from flambeau.ejecting.recorder import Recorder
from flambeau.ejecting.shaking import Shaker
from flambeau.inputs.input import Preprocessor
from flambeau.network.build import Network
from flambeau.network.modules import FromTap
from flambeau.tasks.task import Target
from flambeau.training.config import TrainingConfig
from flambeau.training.parameters import parameter_groups
from flambeau.version import __version__

FUTURE = "from __future__ import annotations"
ROOTS = {"take", "read", "finish", "fields", "decode"}
"""What predict.py calls of preprocessors and targets."""


@dataclass
class Written:
    """Files so far, and the packages that they import."""

    files: dict[str, str] = field(default_factory=dict)
    packages: set[str] = field(default_factory=set)

    def imports(self, shaker: Shaker, more: Sequence[str]) -> str:
        """The import statements of one file."""
        needed = {line for line, typing in shaker.imports.items() if not typing} | set(more)
        typing = sorted(line for line, only in shaker.imports.items() if only and line not in needed)
        self.packages |= {line.split()[1].partition(".")[0] for line in needed}
        if typing:
            needed.add("from typing import TYPE_CHECKING")
        lines = [FUTURE, "", *_sorted(needed)]
        return "\n".join([*lines, "", "if TYPE_CHECKING:", *(f"    {line}" for line in typing)] if typing else lines)


def write_model(written: Written, name: str, network: Network, recorder: Recorder) -> None:
    """model.py."""
    masked = len(network.tensors) > len(network.input_names)
    shaker = Shaker({"HERE", "build", "load", "nn", "Path", "load_file", "torch"}, set())
    shaker.add((PLAIN, "MaskedNetwork" if masked else "Network"), "Network")
    expressions = Expressions(shaker, recorder, in_rows=not masked and not any(isinstance(one, FromTap) for one in network.modules()))
    parts: list[tuple[str, Code]] = [("tensors", literal(network.tensors) or "")]
    parts += [(part, expressions.module(getattr(network, part))) for part in ("prepare", "body", "head", "activation")]
    definitions = shaker.source()
    rows = "".join(f"        {key}={laid_out(code, 9 + len(key), 8)},\n" for key, code in parts)
    written.files["model.py"] = templates.MODEL.format(
        name=in_docstring(name),
        version=__version__,
        imports=written.imports(shaker, ["from pathlib import Path", "from safetensors.torch import load_file", "from torch import nn"]),
        definitions=definitions,
        network=f"Network(\n{rows}    )",
    )


def write_predict(written: Written, preprocessors: Mapping[str, Preprocessor], target: Target, usage: str, encoding: str | None) -> None:
    """predict.py, and words.json where lists are long. Its tables are UTF-8, or of the encoding that the recipe names."""
    names = {"HERE", "WORDS", "INPUTS", "TARGET", "encode", "collate", "answer", "predict", "read_arguments", "main", "load", "Network"}
    modules = {"csv", "json", "sys", "np", "torch", "Path", "Mapping", "Sequence"}
    shaker = Shaker(names | modules, ROOTS)
    expressions = Expressions(shaker, Recorder(()))
    later = {name: expressions.settings(chosen, name) for name, chosen in preprocessors.items()}
    aim = expressions.settings(target, "target")
    definitions = shaker.source()
    inputs = laid_out(mapping((name, code()) for name, code in later.items()), 9, 0)
    meaning = laid_out(aim(), 9, 0)
    more = [
        *("import csv", "import json", "import sys", "import numpy as np", "import torch", "from pathlib import Path"),
        *("from collections.abc import Mapping, Sequence", "from model import Network, load"),
    ]
    words = 'WORDS = json.loads((HERE / "words.json").read_text(encoding="utf-8"))\n"""Lists that are too long for the code."""\n'
    written.files["predict.py"] = templates.PREDICT.format(
        usage=usage,
        encoding=encoding or "utf-8-sig",
        imports=written.imports(shaker, more),
        words=words if expressions.words else "",
        definitions=definitions,
        inputs=inputs,
        target=meaning,
    )
    if expressions.words:
        written.files["words.json"] = json.dumps(expressions.words, ensure_ascii=False, indent=0)


def write_train(
    written: Written, name: str, network: Network, target: Target, training: TrainingConfig, varied: Sequence[str], code: bool
) -> list[str]:
    """train.py -> what of the recipe it does not do."""
    shaker = Shaker(
        {"HERE", "EPOCHS", "BATCH_SIZE", "CLIP", "SEED", "groups", "tensors", "train", "Network", "np", "torch", "nn", "Path"}, {"factor"}
    )
    with Recorder((nn.Module, torch.optim.Optimizer)) as recorder:
        loss = target.loss(code)
        optimizer: Any = training.optimizer.build(parameter_groups(network))
    expressions = Expressions(shaker, recorder)
    missing = [*_unlike(training), *varied]
    decay = max([0.0, *(group.get("weight_decay", 0.0) for group in optimizer.param_groups)])
    if type(optimizer).__module__.startswith("torch.optim"):
        built = _optimizer(expressions, recorder, optimizer)
    else:
        missing.append(f"optimizer {training.optimizer.name}: AdamW stands in its place")
        built = f"torch.optim.AdamW(groups(network), lr={training.optimizer.lr!r})"
    loss_code = laid_out(expressions.module(loss), 30, 4)
    schedule = expressions.settings(training.schedule, "schedule")
    definitions = shaker.source()
    more = [
        *("import numpy as np", "import torch", "from pathlib import Path", "from safetensors.torch import save_file", "from torch import nn"),
        "from model import Network, build",
    ]
    written.files["train.py"] = templates.TRAIN.format(
        name=in_docstring(name),
        missing="".join(f"\nNot done here: {in_docstring(one)}." for one in missing) + ("\n" if missing else ""),
        imports=written.imports(shaker, more),
        epochs=training.epochs,
        batch_size=f'"{training.batch_size}"' if training.batch_size == "all" else training.batch_size,
        clip=None if training.optimizer.full_batch else training.clip,
        seed=training.seed,
        definitions=definitions,
        weight_decay=decay,
        loss=loss_code,
        optimizer=built,
        schedule=laid_out(schedule(), 15, 4),
    )
    return missing


def _optimizer(expressions: Expressions, recorder: Recorder, optimizer: object) -> str:
    made = recorder.constructed(optimizer)
    assert made is not None
    kind = type(optimizer)
    made.named.pop("params")
    code = expressions.constructed(optimizer, kind, f"torch.optim.{kind.__name__}")
    assert not isinstance(code, str)
    parts = [(word, part) for word, part in code.parts if word != "weight_decay="]
    return laid_out(type(code)(code.opening, (("", "groups(network)"), *parts), code.closing), 16, 4)


def _unlike(training: TrainingConfig) -> list[str]:
    """Settings of the recipe that a plain loop leaves out."""
    usual = {"accumulate": 1, "l1": 0.0, "ema": None, "swa": None, "groups": (), "layer_decay": 1.0, "unfreeze": None, "sampling": "shuffle"}
    differing = [(name, getattr(training, name)) for name, plain in usual.items() if getattr(training, name) != plain]
    stops = [f"stop_early {training.stop_early}"] if training.stop_early is not None else []
    return [*(f"{name} {literal(value) if not isinstance(value, tuple) else len(value)}" for name, value in differing), *stops]


def _sorted(lines: set[str]) -> list[str]:
    """Import statements, those of one module together."""
    plain = {line for line in lines if line.startswith("import ")}
    found: dict[str, set[str]] = {}
    for line in lines - plain:
        _, module, _, names = line.split(maxsplit=3)
        found.setdefault(module, set()).update(names.split(", "))
    every = [*plain, *(f"from {module} import {', '.join(sorted(names))}" for module, names in found.items())]
    parts = [sorted((line for line in every if _distance(line) == part), key=_by_module) for part in range(3)]
    return "\n\n".join("\n".join(part) for part in parts if part).split("\n")


def _distance(line: str) -> int:
    """0: of Python itself, 1: of a package, 2: of the ejected files."""
    package = line.split()[1].partition(".")[0]
    return 0 if package in sys.stdlib_module_names else 2 if package == "model" else 1


def _by_module(line: str) -> tuple[bool, str]:
    return line.startswith("from "), line.split()[1]
