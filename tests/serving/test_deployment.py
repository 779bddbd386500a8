"""What the serving page gives to copy: the unit and the image start a server, and the health check tells one that answers from one that does not."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest

from flambeau.cli.serve import command
from flambeau.serving.config import Limits

PAGE = (Path(__file__).parents[2] / "docs" / "en" / "serving.md").read_text(encoding="utf-8")
DRAIN = Limits().drain_seconds


def block(language: str) -> str:
    """The only block in that language."""
    [found] = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return found


def instruction(name: str) -> str:
    """What a line of the Dockerfile says."""
    [found] = re.findall(rf"^{name} (.*)$", block("dockerfile"), re.MULTILINE)
    return found


def parsed(words: list[str]) -> dict[str, object]:
    """The parameters of `flambeau serve` that words of a command line mean."""
    assert Path(words[0]).name == "flambeau" and words[1] == "serve"
    with command.make_context("serve", words[2:]) as context:
        assert isinstance(context, click.Context)
        return context.params


def test_the_unit_starts_a_server_and_lets_it_end() -> None:
    unit = configparser.ConfigParser()
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(block("ini"))
    service = unit["Service"]
    assert parsed(shlex.split(service["ExecStart"]))["host"] == "127.0.0.1"
    assert service["DynamicUser"] == "yes" and int(service["TimeoutStopSec"]) > DRAIN


def test_the_image_starts_a_server_that_can_be_reached_and_is_not_root() -> None:
    words = json.loads(instruction("CMD"))
    assert parsed(words)["host"] == "0.0.0.0"
    assert str(parsed(words)["model"]) in instruction("COPY")
    assert instruction("EXPOSE") == str(parsed(words)["port"])
    assert instruction("USER") != "root" and instruction("RUN").startswith("pip install --no-cache-dir flambeau ")
    [seconds] = re.findall(r"--stop-timeout (\d+)", PAGE)
    assert int(seconds) > DRAIN


@pytest.mark.parametrize("port", ["of a server", "of nobody"])
def test_the_health_check_tells_a_server_that_answers(address: str, port: str) -> None:
    python, option, program = json.loads(instruction("HEALTHCHECK").partition(" CMD ")[2])
    assert (python, option) == ("python", "-c")
    number = urlsplit(address).port if port == "of a server" else 1
    done = subprocess.run([sys.executable, option, program.replace(":8000", f":{number}")], capture_output=True)
    assert (done.returncode == 0) == (port == "of a server")
