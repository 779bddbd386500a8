"""The text of each ejected file."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from flambeau.ejecting import templates
from flambeau.ejecting.code import Code, in_docstring, laid_out, literal, mapping
from flambeau.ejecting.expressions import Expressions
from flambeau.ejecting.homes import PLAIN
from flambeau.ejecting.recorder import Recorder
from flambeau.ejecting.shaking import Shaker
from flambeau.ejecting.standing_in import stand_in
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

DONE: Mapping[str, object] = MappingProxyType(
    {
        "keep_best": True,
        "accumulate": 1,
        "l1": 0.0,
        "ema": None,
        "swa": None,
        "groups": (),
        "layer_decay": 1.0,
        "unfreeze": None,
        "sampling": "shuffle",
    }
)
"""What train.py does, of settings of which it can do nothing else."""


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
    names = {"HERE", "WORDS", "INPUTS", "TARGET", "encode", "collate", "answer", "predict", "read_csv", "with_files", "read_arguments", "main"}
    modules = {"codecs", "csv", "io", "json", "os", "sys", "np", "torch", "Path", "Mapping", "Sequence", "load", "Network"}
    shaker = Shaker(names | modules, ROOTS)
    expressions = Expressions(shaker, Recorder(()))
    later = {name: expressions.settings(chosen, name) for name, chosen in preprocessors.items()}
    aim = expressions.settings(target, "target")
    definitions = shaker.source()
    inputs = laid_out(mapping((name, code()) for name, code in later.items()), 9, 0)
    meaning = laid_out(aim(), 9, 0)
    more = [
        *("import codecs", "import csv", "import io", "import json", "import os", "import sys", "import numpy as np", "import torch"),
        "from pathlib import Path",
        *("from collections.abc import Mapping, Sequence", "from model import Network, load"),
    ]
    words = 'WORDS = json.loads((HERE / "words.json").read_text(encoding="utf-8"))\n"""Lists that are too long for the code."""\n'
    written.files["predict.py"] = templates.PREDICT.format(
        usage=usage,
        decode=templates.DECODE_OTHER.format(other=literal(encoding)) if encoding else templates.DECODE,
        imports=written.imports(shaker, more),
        words=words if expressions.words else "",
        definitions=definitions,
        inputs=inputs,
        target=meaning,
    )
    if expressions.words:
        written.files["words.json"] = json.dumps(expressions.words, ensure_ascii=False, indent=0)


def write_train(
    written: Written, name: str, network: Network, target: Target, training: TrainingConfig, weighted: bool, varied: Sequence[str], code: bool
) -> list[str]:
    """train.py -> what of the recipe it does not do.

    Args:
        weighted: whether each example has a weight in the loss.
        varied: the variations of the recipe, for people.
        code: allow a loss of the user's.
    """
    names = {"HERE", "EPOCHS", "BATCH_SIZE", "CLIP", "SEED", "groups", "parameters", "tensors", "train"}
    shaker = Shaker(names | {"Network", "np", "torch", "nn", "Path", "pairwise"}, {"factor"})
    other = stand_in(training.optimizer)
    chosen = other.config if other else training.optimizer
    with Recorder((nn.Module, torch.optim.Optimizer)) as recorder:
        loss = target.loss(code)
        steps: Any = chosen.build(parameter_groups(network))
    optimizer = _of_torch(recorder, steps)
    expressions = Expressions(shaker, recorder)
    missing = [*_unlike(training, target), *varied]
    if other:
        kind = type(optimizer).__name__
        missing.append(f"optimizer {training.optimizer.name}: {kind} with learning rate {chosen.lr:g} stands in its place, {other.why}")
    decay = max([0.0, *(group.get("weight_decay", 0.0) for group in optimizer.param_groups)])
    built = _optimizer(expressions, recorder, optimizer)
    loss_code = laid_out(expressions.module(loss), 30, 4)
    schedule = expressions.settings(training.schedule, "schedule")
    definitions = shaker.source()
    more = [
        *("import numpy as np", "import torch", "from pathlib import Path", "from safetensors.torch import save_file", "from torch import nn"),
        *("from itertools import pairwise", "from model import Network, build"),
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
        parameters=templates.PARAMETERS if isinstance(optimizer, torch.optim.LBFGS) else templates.GROUPS.format(weight_decay=decay),
        loss=loss_code,
        optimizer=built,
        schedule=laid_out(schedule(), 15, 4),
        weights=templates.WEIGHTS if weighted else "",
        mean=templates.WEIGHTED_MEAN if weighted else "each.mean()",
    )
    return missing


def _of_torch(recorder: Recorder, steps: Any) -> torch.optim.Optimizer:
    """An optimizer, or the only one that it is a wrapper of: it has the same groups."""
    made = [one for one in recorder.everything if isinstance(one, torch.optim.Optimizer) and one.param_groups is steps.param_groups]
    assert len(made) == 1 and type(made[0]).__module__.startswith("torch.optim"), "what torch does not have needs a stand-in"
    return made[0]


def _optimizer(expressions: Expressions, recorder: Recorder, optimizer: object) -> str:
    """The call that makes it, over parameters that train.py sorts."""
    made = recorder.constructed(optimizer)
    assert made is not None
    kind = type(optimizer)
    made.named.pop("params")
    code = expressions.constructed(optimizer, kind, f"torch.optim.{kind.__name__}")
    assert not isinstance(code, str)
    parts = [(word, part) for word, part in code.parts if word != "weight_decay="]
    over = "parameters(network)" if kind is torch.optim.LBFGS else "groups(network)"  # torch's LBFGS takes no groups
    return laid_out(type(code)(code.opening, (("", over), *parts), code.closing), 16, 4)


def _unlike(training: TrainingConfig, target: Target) -> list[str]:
    """Settings of the recipe that a plain loop leaves out."""
    differing = [(name, getattr(training, name)) for name, plain in DONE.items() if getattr(training, name) != plain]
    stops = [f"stop_early {training.stop_early}"] if training.stop_early is not None else []
    divided = ["calibrate: the logits are not divided by a temperature"] if training.calibrate and target.calibrates else []
    return [*(f"{name} {literal(value) if not isinstance(value, tuple) else len(value)}" for name, value in differing), *stops, *divided]


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
