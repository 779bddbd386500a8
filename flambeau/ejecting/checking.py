"""Do the ejected files answer as the model? They are run in a process in which this package cannot be imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import torch

from flambeau.ejecting.homes import PACKAGE
from flambeau.errors import CheckFailed
from flambeau.types import Array

PROGRAM = """
import json, sys
asked = json.loads(sys.argv[1])
class Shut:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == asked["package"]:
            raise ImportError(name + " is shut out")
sys.meta_path.insert(0, Shut())
sys.dont_write_bytecode = True
sys.path[:0] = [asked["folder"], *asked["paths"]]
from pathlib import Path
import numpy as np, torch
torch.set_num_threads(asked["threads"])
import model, predict
def raw(entry):
    golden = Path(asked["goldens"])
    if "value" in entry:
        return entry["value"]
    return golden / entry["file"] if "file" in entry else np.load(golden / entry["array"])
listed = json.loads((Path(asked["goldens"]) / "golden.json").read_text(encoding="utf-8"))["examples"]
encoded = [predict.encode({field: raw(entry) for field, entry in example.items()}) for example in listed]
arrays = {f"{place}/{name}": array for place, example in enumerate(encoded) for name, array in example.items()}
network = model.load()
answers = predict.answer(network, encoded)
predict.TARGET.decode(answers)
np.savez(asked["result"], answers, **arrays)
Path(asked["loaded"]).write_text(json.dumps(list(sys.modules)), encoding="utf-8")
if (Path(asked["folder"]) / "train.py").exists():
    import train
"""


def check(folder: Path, goldens: Path, encoded: list[dict[str, Array]], answers: npt.NDArray[np.float32], paths: list[str]) -> set[str]:
    """Answers the golden examples with the ejected files -> the packages that were loaded for it.

    Args:
        folder: of the ejected files.
        goldens: the folder of golden examples.
        encoded: what the model makes of them; `answers` likewise.
        paths: where code of the user is found.

    Raises:
        CheckFailed: an array or an answer differs in any bit, or the files do not run.
    """
    with TemporaryDirectory() as scratch:
        result, loaded = Path(scratch) / "result.npz", Path(scratch) / "loaded.json"
        asked = {"package": PACKAGE, "folder": str(folder), "paths": paths, "goldens": str(goldens), "result": str(result), "loaded": str(loaded)}
        command = [sys.executable, "-I", "-c", PROGRAM, json.dumps({**asked, "threads": torch.get_num_threads()})]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=scratch)  # noqa: S603  # our own program
        if done.returncode or not result.is_file():
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise CheckFailed("eject-impossible", where=str(folder), reason=" / ".join(lines[-2:])[:400])
        with np.load(result) as found:
            wanted = {f"{place}/{name}": array for place, example in enumerate(encoded) for name, array in example.items()}
            wrong = [name for name, array in wanted.items() if not _same(found[name], array)]
            if not _same(found["arr_0"], answers):
                wrong.append("answers")
        packages = {name.partition(".")[0] for name in json.loads(loaded.read_text(encoding="utf-8"))}
    if wrong:
        raise CheckFailed("eject-differs", where=str(folder), parts=", ".join(wrong[:5]), count=len(wrong))
    return packages


def _same(one: Array, other: Array) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
