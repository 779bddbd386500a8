"""Parquet and Arrow files: read as plain values, and refused in one line when they are damaged or would not fit."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from flambeau.data import parquet
from flambeau.data.parquet import read_parquet
from flambeau.errors import DataError, FlambeauError, panics_as_errors

polars = pytest.importorskip("polars")
ROWS = [{"age": 20 + place, "colour": "red" if place % 3 else None, "label": "ab"[place % 2]} for place in range(40)]
WRITERS = {".parquet": polars.DataFrame.write_parquet, ".arrow": polars.DataFrame.write_ipc, ".feather": polars.DataFrame.write_ipc}


def written(ending: str, rows: list[dict[str, object]] = ROWS) -> bytes:
    file = io.BytesIO()
    WRITERS[ending](polars.DataFrame(rows), file)
    return file.getvalue()


@pytest.mark.parametrize("ending", WRITERS)
def test_rows_come_as_plain_values(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"people{ending}"
    path.write_bytes(written(ending))
    records = read_parquet(path)
    assert (records.columns, list(records.rows)) == (("age", "colour", "label"), ROWS)


@pytest.mark.parametrize("ending", [".parquet", ".arrow"])
def test_damaged_files_are_read_or_refused(tmp_path: Path, ending: str) -> None:
    """Flipped bytes and cut ends; polars panics on some of them."""
    draw, raw, path = random.Random(0), written(ending), tmp_path / f"people{ending}"
    codes = set()
    for turn in range(250):
        damaged = bytearray(raw)
        for _ in range(1 + turn % 4):
            damaged[draw.randrange(len(raw))] = draw.randrange(256)
        path.write_bytes(damaged[: draw.randrange(1, len(raw))] if turn % 5 == 0 else damaged)
        try:
            read_parquet(path)
        except FlambeauError as error:
            codes.add(error.code)
    assert codes <= {"parquet-broken", "arrays-huge", "table-empty"} and "parquet-broken" in codes


class PanicException(BaseException):
    """As the libraries call theirs."""


def test_a_panic_is_an_error_and_nothing_else_is() -> None:
    with pytest.raises(RuntimeError, match="out of range"), panics_as_errors():
        raise PanicException("index out of range\nnote: more")
    with pytest.raises(KeyboardInterrupt), panics_as_errors():
        raise KeyboardInterrupt


@pytest.mark.parametrize("rows", [{"n": [0] * 100_000}, {"text": ["x" * 10_000] * 1_000}], ids=["cells", "texts"])
@pytest.mark.parametrize("ending", [".parquet", ".arrow"])
def test_what_would_not_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, rows: dict[str, list[object]]) -> None:
    path = tmp_path / f"bomb{ending}"
    file = io.BytesIO()
    frame = polars.DataFrame(rows)
    frame.write_parquet(file) if ending == ".parquet" else frame.write_ipc(file, compression="zstd")
    path.write_bytes(file.getvalue())
    assert path.stat().st_size < 100_000
    assert len(read_parquet(path).rows) == len(frame)
    monkeypatch.setattr(parquet, "memory", lambda: 10_000_000)
    with pytest.raises(DataError, match="arrays-huge"):
        read_parquet(path)


def test_no_rows_and_no_file(tmp_path: Path) -> None:
    file = io.BytesIO()
    polars.DataFrame({"a": []}).write_parquet(file)
    (tmp_path / "empty.parquet").write_bytes(file.getvalue())
    with pytest.raises(DataError, match="table-empty"):
        read_parquet(tmp_path / "empty.parquet")
    with pytest.raises(DataError, match="data-not-found"):
        read_parquet(tmp_path / "nothing.parquet")
