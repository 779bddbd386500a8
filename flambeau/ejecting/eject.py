"""`flambeau eject`: a finished model as plain PyTorch files that need nothing of this package, proven before anybody sees them."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

import numpy as np
import torch
from torch import nn

from flambeau.artifact import Artifact
from flambeau.card import escaped
from flambeau.data.examples import TRAIN, VALID
from flambeau.ejecting import templates
from flambeau.ejecting.checking import check
from flambeau.ejecting.homes import late_imports
from flambeau.ejecting.recorder import Recorder
from flambeau.ejecting.writing import Written, write_model, write_predict, write_train
from flambeau.errors import CheckFailed, DataError, Interrupted, UsageError
from flambeau.events import Ejected, Show
from flambeau.exporting.torch import TorchRunner
from flambeau.goldens import read_goldens
from flambeau.inputs.custom import CustomPreprocessor
from flambeau.inputs.input import collate
from flambeau.journal import terminable
from flambeau.model import load
from flambeau.restoring import restore_network
from flambeau.runfolder import find_run
from flambeau.storage import UNFINISHED, writing
from flambeau.tasks.custom_task import CustomTarget
from flambeau.tasks.regression import numbers_of
from flambeau.testing import own_test_split, recipe_of
from flambeau.types import Array, Example

DATA = "data.npz"


def eject_model(model: Path, folder: Path, with_data: bool, force: bool, allow_code: bool, show: Show) -> Ejected:
    """Writes model.py, predict.py, train.py and the weights into `folder`, runs them on the golden examples where this package cannot be
    imported, and keeps them only if every array and every answer is the same, bit for bit.

    Raises:
        UsageError: the folder is not empty.
        DataError: the model has no golden examples, or the data that is wanted is not at hand.
        CheckFailed: the files answer differently, or a part of the network cannot be written as code.
        Interrupted: SIGTERM came; nothing is kept.
    """
    if folder.exists() and (not folder.is_dir() or (not force and any(folder.iterdir()))):
        raise UsageError("eject-folder", where=str(folder))
    loaded = load(model, allow_code=allow_code).artifact
    try:
        with terminable(), writing(folder), _building(folder) as building:
            count = _write(Path(building), loaded, model, with_data, allow_code)
            files = sorted(file.name for file in Path(building).iterdir())
            folder.mkdir(exist_ok=True)
            for file in files:
                (Path(building) / file).replace(folder / file)
    except Interrupted as stop:
        raise Interrupted("stopped", signal=stop.exit_code - 128) from stop
    ejected = Ejected(folder, tuple(files), sum((folder / file).stat().st_size for file in files), count)
    show(ejected)
    return ejected


def _building(folder: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder beside the one that is wanted; what stays of it at the end goes."""
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix=f".{folder.name}.", suffix=UNFINISHED, dir=folder.absolute().parent, ignore_cleanup_errors=True)


def _write(building: Path, loaded: Artifact, model: Path, with_data: bool, allow_code: bool) -> int:
    """All files, checked -> on how many examples."""
    predictor = loaded.predictor
    for column, chosen in predictor.inputs.items():
        if isinstance(chosen, CustomPreprocessor):
            raise CheckFailed("eject-input", where=column, target=chosen.target)
    if isinstance(predictor.target, CustomTarget):
        raise CheckFailed("eject-task", where="task", target=predictor.target.code)
    examples, _ = read_goldens(loaded.path, loaded.manifest["files"])
    if not examples:
        raise DataError("export-unproven", where=str(model))
    with Recorder((nn.Module,)) as recorder:
        network = restore_network(loaded.path, predictor.inputs, predictor.target, allow_code)
    name, recipe = loaded.signature["name"], recipe_of(loaded)
    usage = "FILE.csv ..." if len(predictor.fields) > 1 or "table" in _kinds(loaded) else "VALUE ..."
    written = Written()
    write_model(written, name, network, recorder)
    write_predict(written, predictor.inputs, predictor.target, usage, recipe.data.encoding)
    varied = [f"augmentation of {column} ({', '.join(one.variations())})" for column, one in recipe.inputs.items() if one.variations()]
    weight = recipe.task.weight if recipe.task else None
    missing = write_train(written, name, network, predictor.target, recipe.training, weight is not None, varied, allow_code)
    shutil.copyfile(loaded.path / "weights.safetensors", building / "weights.safetensors")
    if with_data:
        np.savez(building / DATA, **_data(loaded, model, weight))  # type: ignore[arg-type]  # no array is called allow_pickle
    kinds = ", ".join(f"{escaped(column)} ({kind})" for column, kind in zip(predictor.inputs, _kinds(loaded), strict=True))
    written.files["README.md"] = templates.README.format(
        name=escaped(name),
        usage=usage,
        inputs=kinds,
        count=len(examples),
        threads=torch.get_num_threads(),
        data=f", over `{DATA}`" if with_data else f"; it needs `{DATA}`, which `flambeau eject --with-data` writes",
        missing="".join(f"\n\nNot done by `train.py`: {escaped(one)}." for one in missing),
    )
    for file, content in written.files.items():
        (building / file).write_text(content.rstrip("\n") + "\n", encoding="utf-8")
    encoded = [predictor.encode(example) for example in examples]
    batch = collate(predictor.inputs, {column: [one[column] for one in encoded] for column in predictor.inputs})
    paths = [str(Path(path).absolute()) for path in sys.path] if allow_code else []
    used = check(building, loaded.path / "golden", encoded, TorchRunner(network)(batch), paths)
    packages = written.packages | (late_imports(written.files["predict.py"]) & used)
    (building / "requirements.txt").write_text(_requirements(packages), encoding="utf-8")
    return len(examples)


def _kinds(loaded: Artifact) -> list[str]:
    return [chosen.type for chosen in loaded.predictor.inputs.values()]


def _data(loaded: Artifact, model: Path, weight: str | None) -> dict[str, Array]:
    """The encoded training and validation examples, their targets and the weights in the column `weight`, as train.py takes them."""
    arrays: dict[str, Array] = {}
    for split in (TRAIN, VALID):
        examples, labels = own_test_split(find_run(model), split)
        arrays.update({f"{split}/{name}": tensor for name, tensor in _encoded(loaded, examples).items()})
        arrays[f"targets/{split}"] = np.stack([loaded.predictor.target.encode(label) for label in labels])
        if weight is not None and split == TRAIN:
            arrays[f"weights/{split}"] = np.array([numbers_of(example[weight], weight)[0] for example in examples], np.float32)
    return arrays


def _encoded(loaded: Artifact, examples: Sequence[Example]) -> Mapping[str, Array]:
    encoded = [loaded.predictor.encode(example) for example in examples]
    return collate(loaded.predictor.inputs, {name: [one[name] for one in encoded] for name in loaded.predictor.inputs})


def _requirements(packages: set[str]) -> str:
    """What is imported and does not come with Python, in the versions that are here."""
    distributions = packages_distributions()
    names = {name for package in packages - {"model"} - sys.stdlib_module_names for name in distributions.get(package, [package])[:1]}
    lines = []
    for name in sorted(names):
        try:
            lines.append(f"{name}=={re.sub(r'[+].*', '', version(name))}\n")
        except PackageNotFoundError:  # code of the user, which is no package
            lines.append(f"# {name}: code of your own\n")
    return "".join(lines)
