"""What others write into their programs and scripts. A change here is a change for them: it needs a reason and a line in the changelog."""

from __future__ import annotations

import inspect
import subprocess
import sys

import click
import pytest

import flambeau
from flambeau import cli

NAMES = ["FlambeauError", "Model", "Recipe", "Run", "check", "eject", "export", "fit", "load", "plan", "predict", "serve", "show", "silent", "test"]

PLUGINS = [
    *("CheckFailed", "ClassTarget", "Classification", "Classified", "Custom", "DataError", "Exporter", "Input", "Labelled", "LabelsTarget"),
    *("Layer", "MultiLabel", "OneOfTarget", "Ordinal", "OrdinalTarget", "OverTime", "Padded", "Preprocessor", "Regression", "Shape", "Target"),
    *("Task", "TensorSpec", "Valued", "ValuesTarget", "check_exporter", "check_input", "check_layer", "check_task"),
]

PARAMETERS = {
    "fit": ["data", "recipe", "run", "resume", "refit", "find_lr", "force", "allow_code", "show", "words"],
    "plan": ["data", "recipe", "allow_code", "timed", "show", "words"],
    "check": ["data", "recipe", "allow_code", "show", "words"],
    "show": ["model", "recipe", "allow_code", "words"],
    "test": ["model", "data", "minimum", "maximum", "allow_code", "show"],
    "export": ["model", "to", "precision", "allow_code", "show"],
    "eject": ["model", "folder", "with_data", "force", "allow_code", "show"],
    "load": ["path", "threads", "allow_code", "device"],
    "predict": ["path", "inputs", "allow_code"],
    "serve": ["path", "host", "port", "threads", "allow_code", "device", "tested", "announce"],
}
WORDS = ["target", "group", "settings", "epochs", "seed", "max_bad", "exclude_classes", "id", "time", "exclude", "inputs"]
ATTRIBUTES = {
    "Model": ["artifact", "encode", "fields", "labels", "network", "path", "predict", "rows", "test", "try_predict"],
    "Run": ["allow_code", "artifact", "baseline", "model", "path", "predict", "seconds", "test", "to_json", "verdict", "verification"],
}

WORK = [
    "data",
    "--target",
    "--group",
    "--input",
    "--id",
    "--time",
    "--exclude",
    "--recipe",
    "--set",
    "--epochs",
    "--seed",
    "--max-bad",
    "--exclude-class",
]
COMMANDS = {
    "fit": [*WORK, "--run", "--resume", "--refit", "--find-lr", "--force", "--dry-run", "--allow-code", "--json"],
    "check": [*WORK, "--allow-code", "--json"],
    "show": [*WORK, "--allow-code", "--json"],
    "test": ["model", "data", "--min", "--max", "--allow-code", "--json"],
    "predict": ["model", "inputs", "--csv", "--keep", "--device", "--allow-code", "--json"],
    "export": ["model", "--to", "--precision", "--allow-code", "--json"],
    "eject": ["model", "folder", "--with-data", "--force", "--allow-code", "--json"],
    "serve": ["model", "--host", "--port", "--threads", "--device", "--runtime", "--allow-code", "--json"],
    "demo": ["--folder", "--json"],
    "doctor": ["--json"],
    "layers": ["name", "--json"],
    "schema": [],
}


def test_the_names_of_the_package() -> None:
    assert flambeau.__all__ == NAMES
    assert dir(flambeau) == sorted([*NAMES, "__version__"])
    for name in NAMES:
        assert getattr(flambeau, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'train'"):
        _ = flambeau.train


def test_the_names_for_plug_ins() -> None:
    from flambeau import plugins

    assert plugins.__all__ == dir(plugins) == PLUGINS
    for name in PLUGINS:
        assert getattr(plugins, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'register'"):
        _ = plugins.register


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_parameters(name: str) -> None:
    assert list(inspect.signature(getattr(flambeau, name)).parameters) == PARAMETERS[name]


def test_the_words_of_the_command_line() -> None:
    from flambeau.planning import Words

    assert list(Words.__annotations__) == WORDS


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_the_attributes(name: str) -> None:
    kind = getattr(flambeau, name)
    public = {attribute for attribute in {*dir(kind), *kind.__dataclass_fields__} if not attribute.startswith("_")}
    assert sorted(public) == ATTRIBUTES[name]


def test_the_commands() -> None:
    assert list(cli.COMMANDS) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_options(name: str) -> None:
    command = cli.flambeau.get_command(click.Context(cli.flambeau), name)
    assert command is not None
    assert [parameter.opts[0] for parameter in command.params] == COMMANDS[name]


def test_importing_costs_nothing() -> None:
    code = (
        "import sys, flambeau; print(sorted(name for name in ('numpy', 'torch', 'pydantic', 'click', 'onnxruntime', 'PIL') if name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
