"""Flambeau: from raw data to a tested, deployed PyTorch model.

    import flambeau as fb

    run = fb.fit("photos/")
    run.test["accuracy"]
    run.predict(["new.jpg"])
    fb.load("runs/photos-1").predict(["new.jpg"])

Names are imported when they are first used: ``import flambeau`` itself costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flambeau.errors import FlambeauError as FlambeauError
    from flambeau.events import silent as silent
    from flambeau.model import Model as Model
    from flambeau.model import load as load
    from flambeau.model import predict as predict
    from flambeau.model import serve as serve
    from flambeau.pipeline import check as check
    from flambeau.pipeline import eject as eject
    from flambeau.pipeline import export as export
    from flambeau.pipeline import fit as fit
    from flambeau.pipeline import plan as plan
    from flambeau.pipeline import show as show
    from flambeau.pipeline import test as test
    from flambeau.recipe import Recipe as Recipe
    from flambeau.run import Run as Run

from flambeau.version import __version__ as __version__

_HOMES = {
    "FlambeauError": "errors",
    "Model": "model",
    "Recipe": "recipe",
    "Run": "run",
    "check": "pipeline",
    "eject": "pipeline",
    "export": "pipeline",
    "fit": "pipeline",
    "load": "model",
    "plan": "pipeline",
    "predict": "model",
    "serve": "model",
    "show": "pipeline",
    "silent": "events",
    "test": "pipeline",
}
__all__ = ["FlambeauError", "Model", "Recipe", "Run", "check", "eject", "export", "fit", "load", "plan", "predict", "serve", "show", "silent", "test"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'flambeau' has no attribute {name!r}")
    return getattr(import_module(f"flambeau.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
