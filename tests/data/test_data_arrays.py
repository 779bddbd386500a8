"""Arrays: .npz files, honest and lying, and mappings in memory."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from flambeau.data.config import DataConfig
from flambeau.data.examples import Source
from flambeau.data.source import open_source
from flambeau.errors import DataError


def save(path: Path, **arrays: object) -> DataConfig:
    np.savez(path, **arrays)
    return DataConfig(arrays=path)


def crafted(path: Path, header: dict[str, object], body: bytes = b"", compress: int = zipfile.ZIP_STORED, raw: bytes | None = None) -> DataConfig:
    text = repr(header).encode().ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w", compress) as archive:
        archive.writestr("x.npy", raw if raw is not None else b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body)
    return DataConfig(arrays=path)


@pytest.mark.parametrize(("x", "y"), [("x", "y"), ("images", "labels"), ("X", "target"), ("pixels", "class")])
def test_names(tmp_path: Path, digits: tuple[np.ndarray, np.ndarray], x: str, y: str) -> None:
    source = open_source(save(tmp_path / "d.npz", **{x: digits[0], y: digits[1]}))
    assert (source.columns, source.target, source.name, len(source)) == ((x, y), y, "d", 1797)
    assert source.examples[3][y] == 3
    assert source.label(3) == "3"
    np.testing.assert_array_equal(source.examples[3][x], digits[0][3])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", ">f8"])
def test_values_are_kept_as_they_are(tmp_path: Path, dtype: str, order: str) -> None:
    x = np.asarray(np.arange(24).reshape(2, 3, 4), dtype, order=order)  # type: ignore[call-overload]
    source = open_source(save(tmp_path / "d.npz", x=x, y=["a", "b"]))
    np.testing.assert_array_equal(np.stack(source.values("x")), x)  # type: ignore[arg-type]
    assert source.values("x")[0].dtype == x.dtype  # type: ignore[attr-defined]


def test_given_splits(tmp_path: Path) -> None:
    source = open_source(save(tmp_path / "d.npz", x_train=np.zeros((3, 2)), y_train=[0, 1, 2], x_test=np.ones((1, 2)), y_test=[0]))
    assert (source.columns, source.given, source.target) == (("x", "y"), ("train", "train", "train", "test"), "y")
    assert source.values("y") == [0, 1, 2, 0]
    with pytest.raises(DataError, match="arrays-lengths"):
        open_source(save(tmp_path / "e.npz", x_train=np.zeros((3, 2)), y_train=[0, 1], x_test=np.ones((1, 2)), y_test=[0]))
    with pytest.raises(DataError, match="arrays-lengths"):
        open_source(save(tmp_path / "f.npz", x_train=np.zeros((3, 2)), y_train=[0, 1, 1], x_test=np.ones((1, 2))))


def test_memory(digits: tuple[np.ndarray, np.ndarray]) -> None:
    source = open_source(DataConfig(), memory={"x": digits[0], "y": digits[1]})
    assert (source.place, source.name, source.target, len(source.fingerprint)) == (None, "arrays", "y", 64)
    other = open_source(DataConfig(), memory={"x": digits[0] + 1, "y": digits[1]})
    assert source.fingerprint != other.fingerprint
    assert source.where(4) == "#5"
    mixed = open_source(DataConfig(), memory={"text": ["a", "b"], "picture": [Path("a"), Path("b")], "label": np.array([[b"x"], [b"\xff"]])})
    assert mixed.values("label") == ["x", "\\xff"]
    assert mixed.values("picture") == [Path("a"), Path("b")]


def test_memory_split_column() -> None:
    data = {"x": np.zeros((3, 1)), "y": ["a", "b", "a"], "part": ["train", "val", "test"]}
    source = open_source(DataConfig.model_validate({"split": {"column": "part"}}), memory=data)
    assert source.given == ("train", "valid", "test")
    with pytest.raises(DataError, match="column-unknown"):
        open_source(DataConfig.model_validate({"split": {"column": "prat"}}), memory=data)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({}, "data-empty"),
        ({"x": np.zeros((0, 2)), "y": np.zeros(0)}, "data-empty"),
        ({"x": np.zeros((3, 2)), "y": np.zeros(2)}, "arrays-lengths"),
        ({"x": np.zeros((3, 2)), "y": np.zeros((3, 2, 2))}, "arrays-target"),
        ({"x": np.zeros(()), "y": [1]}, "arrays-kind"),
        ({"x": np.array([object()]), "y": [1]}, "arrays-kind"),
        ({"x": np.zeros(2, [("a", "i4")]), "y": [1, 2]}, "arrays-kind"),
        ({"x": "text", "y": [1]}, "arrays-kind"),
        ({"a": [1], "b": [2]}, "column-needed"),
    ],
)
def test_refused_in_memory(data: dict[str, object], code: str) -> None:
    with pytest.raises(DataError) as caught:
        open_source(DataConfig(), memory=data)
    assert caught.value.code == code
    assert caught.value.what


def test_pickles_are_refused_and_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "ran",)  # type: ignore[return-value]

    with pytest.raises(DataError, match="arrays-pickled"):
        open_source(save(tmp_path / "d.npz", x=np.array([Evil()], object), y=[1]))
    (tmp_path / "p.npz").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(DataError, match="arrays-broken"):
        open_source(DataConfig(arrays=tmp_path / "p.npz"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "header",
    [
        {"descr": "<f8", "fortran_order": False, "shape": (10**12,)},
        {"descr": "<f8", "fortran_order": False, "shape": (2**40, 2**40)},
        {"descr": "<f8", "fortran_order": False, "shape": (-1, -1)},
        {"descr": "<f8", "fortran_order": False, "shape": (2,)},
        {"descr": "<f8", "fortran_order": False, "shape": (0, -8)},
        {"descr": [("a", "<f8")], "fortran_order": False, "shape": (1,)},
        {"descr": "<q99", "fortran_order": False, "shape": (1,)},
        {"descr": "nonsense", "fortran_order": False, "shape": (1,)},
        {"shape": (1,)},
    ],
)
def test_lying_headers(tmp_path: Path, header: dict[str, object]) -> None:
    with pytest.raises(DataError, match="arrays-broken") as caught:
        open_source(crafted(tmp_path / "d.npz", header, b"12345678"))
    assert "x.npy" in caught.value.why


@pytest.mark.parametrize("raw", [b"", b"\x93NUMPY", b"\x93NUMPY\x09\x00aaaa", b"hello"])
def test_no_header(tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(DataError, match="arrays-broken"):
        open_source(crafted(tmp_path / "d.npz", {}, raw=raw))


def test_a_bomb_is_refused_from_its_directory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as member:
        for _ in range(300):
            member.write(bytes(1 << 20))
    assert path.stat().st_size < 400_000
    with pytest.raises(DataError, match="arrays-huge"):
        open_source(DataConfig(arrays=path))


def test_flipped_and_cut_files(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=np.random.default_rng(0).integers(0, 255, (50, 8), np.uint8), y=np.arange(50))
    good = buffer.getvalue()
    path = tmp_path / "d.npz"
    failed = 0
    for place in range(0, len(good), 5):
        for bad in (good[:place], good[:place] + bytes([good[place] ^ 0x55]) + good[place + 1 :]):
            path.write_bytes(bad)
            try:
                source = open_source(DataConfig(arrays=path))
            except DataError:
                failed += 1
            else:
                assert isinstance(source, Source)
    assert failed > len(good) // 5


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="data-not-found"):
        open_source(DataConfig(arrays=tmp_path / "no.npz"))
