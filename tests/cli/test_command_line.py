"""The command line itself: help, errors in both forms, exit codes, streams, colours, speed."""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from flambeau import cli, errors
from flambeau.cli.output import json_wanted, print_json, use_utf8
from flambeau.errors import CheckFailed, DataError, DeviceError, ExtraMissing, FlambeauError, Interrupted, RecipeError, UsageError
from flambeau.version import __version__

Run = Callable[..., tuple[int, str, str]]


def test_help_lists_every_command(run: Run) -> None:
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    listed = [line.split()[0] for line in out.splitlines() if line.startswith("  ") and not line.strip().startswith("-")]
    assert [word for word in listed if word in cli.COMMANDS] == list(cli.COMMANDS)


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_option_is_explained(run: Run, command: str) -> None:
    code, out, _ = run(command, "-h")
    assert code == 0
    context = click.Context(cli.flambeau)
    found = cli.flambeau.get_command(context, command)
    assert found is not None
    for parameter in found.params:
        if isinstance(parameter, click.Option):
            assert parameter.help
            assert parameter.opts[0] in out


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"flambeau, version {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["fti"], "command-unknown"),
        (["fit", "--jsn"], "usage"),
        (["predict"], "usage"),
        (["predict", "x"], "usage"),
        (["serve", "x", "--port", "z"], "usage"),
    ],
)
def test_usage_errors_in_both_forms(run: Run, arguments: list[str], code: str) -> None:
    exit_code, out, err = run(*arguments)
    assert (exit_code, out) == (2, "")
    assert err.startswith(f"error[{code}]")
    exit_code, out, err = run(*arguments, "--json")
    assert exit_code == 2
    error = json.loads(out)["error"]
    assert error["code"] == code
    assert set(error) == {"code", "message", "where", "fix"}
    assert err == ""


def test_a_command_that_was_meant(run: Run) -> None:
    assert "did you mean 'predict'?" in run("pedict")[2]
    assert "did you mean" not in run("x" * 5000)[2]


EXIT_CODES = {
    FlambeauError: 70,
    CheckFailed: 1,
    UsageError: 2,
    RecipeError: 2,
    DataError: 3,
    DeviceError: 4,
    ExtraMissing: 5,
    Interrupted: 130,
}


@pytest.mark.parametrize("kind", EXIT_CODES)
def test_the_exit_code_tells_the_kind(run: Run, kind: type[FlambeauError], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**words: object) -> None:
        raise kind("disk-full", where="here", folder="there")

    monkeypatch.setattr("flambeau.pipeline.check", fail)
    code, out, err = run("check", "x", "--json")
    assert code == EXIT_CODES[kind]
    assert json.loads(out)["error"]["code"] == "disk-full"
    code, out, err = run("check", "x")
    assert code == EXIT_CODES[kind]
    assert err.startswith("error[disk-full] here")
    assert "fix: " in err


def test_every_kind_of_error_has_an_exit_code() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FlambeauError)}
    assert kinds - {errors.ShapeError} == set(EXIT_CODES)


def test_a_bug_is_reported_as_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**words: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("flambeau.pipeline.check", fail)
    code, out, err = run("check", "x", "--json")
    assert code == 70
    assert json.loads(out)["error"]["code"] == "bug"
    assert "Traceback" in err


@pytest.mark.parametrize("kind", [KeyboardInterrupt, click.Abort])
def test_an_interrupt_says_so(run: Run, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]) -> None:
    def fail(**words: object) -> None:
        raise kind

    monkeypatch.setattr("flambeau.pipeline.check", fail)
    assert run("check", "x")[0] == 130
    code, out, _ = run("check", "x", "--json")
    assert (code, json.loads(out)["error"]["code"]) == (130, "stopped")


def test_the_end_of_a_file_is_no_stop(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**words: object) -> None:
        raise EOFError("marshal data too short")

    monkeypatch.setattr("flambeau.pipeline.check", fail)
    code, _, err = run("check", "x")
    assert code == 70
    assert "marshal data too short" in err


def test_alone_it_prints_its_help(run: Run) -> None:
    code, out, err = run()
    assert (code, err) == (0, "")
    assert out == run("--help")[1]


def test_of_two_targets_none_is_taken(run: Run) -> None:
    code, out, _ = run("check", "x", "--target", "a", "--target", "b", "--json")
    assert (code, json.loads(out)["error"]["code"]) == (2, "target-several")


def test_a_file_that_may_not_be_read_is_no_mistake_of_the_command(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    (tmp_path / "x").write_bytes(b"")
    assert json.loads(run("predict", tmp_path, tmp_path / "x", "--json")[1])["error"]["code"] != "usage"


def test_the_doctor_needs_no_folder(tmp_path: Path) -> None:
    code = "import os, sys, flambeau.doctor; os.rmdir(os.getcwd()); print(flambeau.doctor._here())"
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run([sys.executable, "-c", code], cwd=gone, capture_output=True, text=True)
    assert Path(done.stdout.strip()).is_dir(), done.stderr


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "ascii"])
def test_what_is_written_is_in_the_encoding_of_the_stream(encoding: str) -> None:
    said = {"PYTHONIOENCODING": encoding, "FLAMBEAU_LANG": "zh", "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-m", "flambeau", "check", "没有"], capture_output=True, env={**os.environ, **said})
    assert "错误[data-not-found]" in done.stderr.decode("utf-8" if encoding == "ascii" else encoding)
    done = subprocess.run([sys.executable, "-m", "flambeau", "check", "没有", "--json"], capture_output=True, env={**os.environ, **said})
    assert json.loads(done.stdout.decode("utf-8"))["error"]["code"] == "data-not-found"


def test_the_process_ends_with_the_code(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["flambeau", "nonsense"])
    for arguments, code in ((["--version"], 0), (["nonsense"], 2), (None, 2)):
        with pytest.raises(SystemExit) as caught:
            cli.main(arguments)
        assert caught.value.code == code


def test_json_is_known_before_arguments_are_parsed() -> None:
    assert json_wanted(["fit", "--json"])
    assert not json_wanted(["predict", "run", "--", "--json"])
    assert json_wanted(["predict", "--json", "run", "--", "a"])
    assert not json_wanted(["fit"])


def test_json_with_hostile_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a\n\x1b[31m": Path("x\u202ey"), "b": errors.Notice("stopped")})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "\x1b" not in out
    assert json.loads(out)["b"]["code"] == "stopped"
    with pytest.raises(ValueError, match="JSON"):
        print_json({"x": float("nan")})


def test_any_terminal_takes_any_text(monkeypatch: pytest.MonkeyPatch) -> None:
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", ascii_only)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    use_utf8()
    ascii_only.write("准确率 \udcff")
    ascii_only.flush()
    assert ascii_only.buffer.getvalue() == "准确率 ".encode() + b"\\udcff"  # type: ignore[attr-defined]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("refused", [True, False])
def test_colour_on_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch, refused: bool) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    if not refused:
        monkeypatch.delenv("NO_COLOR")
    assert cli.run(["nonsense"]) == 2
    assert ("\x1b[" in sys.stderr.getvalue()) is not refused  # type: ignore[attr-defined]


def test_chinese(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLAMBEAU_LANG", "zh")
    code, _, err = run("fit", tmp_path / "照片")
    assert code == 3
    assert "\n错误[data-not-found]" in err
    error = json.loads(run("predict", tmp_path, "x.png", "--json")[1])["error"]
    assert error["code"] == "model-missing", "codes are the same in every language"
    assert any("\u4e00" <= character <= "\u9fff" for character in error["message"])


def child(arguments: list[str], **environment: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """A command in a process of its own, and the CPU seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(
        [sys.executable, "-m", "flambeau", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return result, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def seconds_of(code: str) -> float:
    """CPU seconds of Python with a few words of code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def is_quick(arguments: list[str], seconds: float, times: float, imports: str) -> bool:
    """Whether a command's least CPU time is below a limit: seconds, or, where the machine is slow or busy, so many times its bare imports.

    Both are taken in turns, up to ten times: what else runs beside them only adds to a time, and goes up and down.
    """
    ours, least = [], []
    for _ in range(10):
        least.append(seconds_of(imports))
        result, taken = child(arguments)
        assert result.returncode == 0, result.stderr
        ours.append(taken)
        if min(ours) < max(seconds, times * min(least)):
            return True
    return False


@pytest.mark.parametrize(
    ("given", "expected"), [({}, "PASSIVE 1000"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE None"), ({"GOMP_SPINCOUNT": "7"}, "PASSIVE 7")]
)
def test_threads_turn_shortly_before_they_sleep_unless_told_otherwise(given: dict[str, str], expected: str) -> None:
    code = "import atexit, os; from flambeau.cli import main; "
    code += "atexit.register(lambda: print(os.environ['OMP_WAIT_POLICY'], os.environ.get('GOMP_SPINCOUNT'))); main(['--version'])"
    kept = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**kept, **given}).stdout

    assert shown.splitlines()[-1] == expected


def test_help_is_quick() -> None:
    assert is_quick(["--help"], 0.150, 2.5, "import click, tomllib")


def test_an_answer_is_quick(small_run: Path, picture: Path) -> None:
    imports = "import click, numpy, onnxruntime, pydantic, PIL.Image"
    assert is_quick(["predict", str(small_run), str(picture), "--json"], 0.6, 3, imports)


def test_a_process_in_chinese_with_an_ascii_locale(tmp_path: Path) -> None:
    result, _ = child(["predict", str(tmp_path / "没有"), "图.png"], FLAMBEAU_LANG="zh", LC_ALL="C", PYTHONIOENCODING="ascii")
    assert result.returncode == 3
    assert f"错误[model-missing] {tmp_path / '没有'}" in result.stderr
    assert result.stdout == ""


def test_a_reader_that_goes_away() -> None:
    """`flambeau schema | head -1` is no error."""
    command = [sys.executable, "-m", "flambeau", "schema"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(30) == 0


def test_the_commands_are_entered_by_name(run: Run, small_run: Path, picture: Path) -> None:
    code, out, err = run("predict", small_run, picture)
    assert (code, err) == (0, "")
    assert out.startswith(f"{picture}   ")
    assert out.rstrip().endswith(" ms")
    assert out.count("%") == 3


def test_a_model_that_is_none(run: Run, tmp_path: Path, picture: Path) -> None:
    for arguments in (["predict", tmp_path, picture], ["test", tmp_path], ["export", tmp_path], ["serve", tmp_path]):
        code, out, _ = run(*arguments, "--json")
        assert (code, json.loads(out)["error"]["code"]) == (3, "model-missing")


def test_a_name_that_no_file_can_have(run: Run, small_run: Path, few_digits: Path) -> None:
    name = "x" * 5000
    for arguments in (["check", name], ["predict", name, "x.png"], ["fit", few_digits, "--run", name], ["check", few_digits, "--recipe", name]):
        code, out, _ = run(*arguments, "--json")
        assert code in (2, 3, 4)
        assert json.loads(out)["error"]["code"] != "bug"
    code, out, _ = run("predict", small_run, name, "--json")
    assert code == 3
    assert "error" in json.loads(out)["predictions"][0]


def test_a_port_that_is_taken(run: Run, small_run: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, out, _ = run("serve", small_run, "--port", taken.getsockname()[1], "--json")
    assert (code, json.loads(out)["error"]["code"]) == (4, "port-in-use")


@pytest.mark.parametrize("json_wanted", [True, False])
def test_what_serve_hands_over(run: Run, small_run: Path, monkeypatch: pytest.MonkeyPatch, json_wanted: bool) -> None:
    """The model that is served is the one that was tested; the announcement has the promised words."""
    from flambeau.serving import server
    from flambeau.serving.model import Ready

    def serve(load: Any, host: str, port: int, limits: object, announce: Any) -> int:
        served = load()
        assert (host, port) == ("0.0.0.0", 0)
        assert served.runtime.startswith("onnxruntime ")
        assert served.signature["labels"] == ["0", "1", "2", "3"]
        announce(Ready("http://127.0.0.1:1", host, 1, served.name, served.runtime, 0.5, 8))
        return 7

    monkeypatch.setattr(server, "serve", serve)
    code, out, _ = run("serve", small_run, "--host", "0.0.0.0", "--port", 0, "--threads", 1, *(["--json"] if json_wanted else []))
    assert code == 7
    if json_wanted:
        assert list(json.loads(out)) == ["url", "seconds", "runtime"]
    else:
        assert out.startswith("Ready in 0.5 s · onnxruntime")


def test_serve_for_people(small_run: Path) -> None:
    command = [sys.executable, "-m", "flambeau", "serve", str(small_run), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.terminate()
        assert process.wait(30) == 0
    assert line.startswith("Ready in ")
    assert "onnxruntime" in line
    assert "/metrics" in line
