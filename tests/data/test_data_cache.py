"""The cache: nothing is decoded twice, whatever changed is read again, and damage, crowds and full disks do no harm."""

from __future__ import annotations

import copy
import errno
import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from flambeau.data import cache as cache_module
from flambeau.data import reading, store
from flambeau.data.cache import Cache, _portions, encode
from flambeau.data.config import DataConfig
from flambeau.data.examples import Source
from flambeau.data.reading import examine_all
from flambeau.data.source import open_source
from flambeau.errors import DeviceError
from flambeau.types import TensorSpec

Write = Callable[..., list[Path]]


def run(folder: Path, pixels: type, **options: object) -> tuple[Source, Cache, int]:
    """Encodes a folder; the last is how many examples were decoded."""
    pixels.log.clear()
    source = open_source(DataConfig(folder=folder))
    done = encode(source, {"image": pixels(**options)}, folder / "run")
    return source, done, len(pixels.log)


def the_file() -> Path:
    (path,) = Path(os.environ["FLAMBEAU_CACHE"]).rglob("*.cache")
    return path


def truth(source: Source) -> np.ndarray:
    return np.stack([np.asarray(Image.open(example["image"]))[None] for example in source.examples])


def test_rows_and_facts(tmp_path: Path, write_pngs: Write, pixels: type) -> None:
    paths = write_pngs(tmp_path)
    source, done, count = run(tmp_path, pixels)
    assert count == len(paths) == 15
    np.testing.assert_array_equal(done.rows["image"], truth(source))
    assert done.rows["image"].dtype == np.uint8
    assert list(done.facts.sha256) == [hashlib.sha256(example["image"].read_bytes()).hexdigest() for example in source.examples]
    assert done.facts.errors == (None,) * 15
    assert not done.facts.blank.any()
    expected = [pixels().fingerprint(row) for row in done.rows["image"]]
    assert done.facts.fingerprints["image"].tolist() == expected
    assert len(done.facts.digest) == 64
    relabelled = replace(source, examples=[{**example, "label": "x"} for example in source.examples])
    given = replace(source, given=("train",) * 15)
    digests = {encode(one, {"image": pixels()}, tmp_path).facts.digest for one in (source, relabelled, given)}
    assert len(digests) == 3
    assert done.facts.digest in digests


def test_a_second_run_decodes_nothing(tmp_path: Path, write_pngs: Write, pixels: type) -> None:
    write_pngs(tmp_path)
    _, first, _ = run(tmp_path, pixels)
    before = the_file().stat().st_ino
    _, second, count = run(tmp_path, pixels)
    assert count == 0
    assert the_file().stat().st_ino == before  # nor is anything written
    np.testing.assert_array_equal(first.rows["image"], second.rows["image"])
    assert first.facts.sha256 == second.facts.sha256
    assert run(tmp_path, pixels, side=4)[2] == 15  # another reading has another file
    assert len(list(Path(os.environ["FLAMBEAU_CACHE"]).rglob("*.cache"))) == 2


def test_only_what_changed_is_read_again(tmp_path: Path, write_pngs: Write, pixels: type, digits: tuple[np.ndarray, np.ndarray]) -> None:
    paths = write_pngs(tmp_path)
    run(tmp_path, pixels)
    status = paths[3].stat()
    content = paths[4].read_bytes()
    Image.fromarray(255 - digits[0][0]).save(paths[3])
    os.utime(paths[3], ns=(status.st_atime_ns, status.st_mtime_ns))  # the time of change cannot be set back
    paths[0].unlink()
    paths[4].rename(paths[4].with_name("moved.png"))
    Image.fromarray(digits[0][7]).save(tmp_path / "2" / "new.png")
    source, done, count = run(tmp_path, pixels)
    assert count == 2
    np.testing.assert_array_equal(done.rows["image"], truth(source))
    moved = [source.where(row) for row in range(len(source))].index(f"{paths[4].parent.name}/moved.png")
    assert done.facts.sha256[moved] == hashlib.sha256(content).hexdigest()
    assert run(tmp_path, pixels)[2] == 0


def test_a_change_of_the_same_size_at_once_is_noticed(tmp_path: Path, write_pngs: Write, pixels: type) -> None:
    write_pngs(tmp_path, classes=(0, 1))
    one, other = tmp_path / "0/a.png", tmp_path / "0/b.png"
    pictures = [np.full((8, 8), level, np.uint8) for level in (10, 20)]
    for path, picture in zip((one, other), pictures, strict=True):
        Image.fromarray(picture).save(path, compress_level=0)
    swap = one.read_bytes(), other.read_bytes()
    assert len(swap[0]) == len(swap[1])
    for turn in range(4):
        one.write_bytes(swap[turn % 2])
        source, done, _ = run(tmp_path, pixels)
        np.testing.assert_array_equal(done.rows["image"], truth(source))


def test_bad_files_are_facts(tmp_path: Path, write_pngs: Write, pixels: type, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_pngs(tmp_path)
    paths[0].write_bytes(paths[0].read_bytes()[:45])
    paths[1].write_bytes(b"")
    source = open_source(DataConfig(folder=tmp_path))
    paths[2].unlink()
    paths[3].unlink()
    paths[3].mkdir()
    paths[4].unlink()
    os.mkfifo(paths[4])
    monkeypatch.setattr(reading, "MAX_BYTES", 1000)
    paths[5].write_bytes(paths[5].read_bytes() + bytes(1000))
    for _ in range(2):
        done = encode(source, {"image": pixels()}, tmp_path)
        found = {source.where(row): error.code for row, error in enumerate(done.facts.errors) if error}
        names = [source.where([example["image"] for example in source.examples].index(path)) for path in paths[:6]]
        codes = ["image-truncated", "image-truncated", "example-missing", "example-kind", "example-kind", "example-huge"]
        assert found == dict(zip(names, codes, strict=True))
        assert done.facts.errors[0].where == names[0]
        assert all(error.what for error in done.facts.errors if error)
        assert not done.rows["image"][[0, 1, 2, 3, 4, 5]].any()
    assert len(pixels.log) == 11  # the truncated were not tried again


def test_a_closed_file_is_tried_again(tmp_path: Path, write_pngs: Write, pixels: type, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_pngs(tmp_path)
    opened = os.open

    def refuse(error: int) -> Callable[..., int]:
        def open_or_fail(path: object, *rest: int, **named: int) -> int:
            if path == paths[0]:
                raise OSError(error, os.strerror(error))
            return opened(path, *rest, **named)

        return open_or_fail

    for error in (errno.EACCES, errno.EIO):
        os.utime(paths[0])
        monkeypatch.setattr(os, "open", refuse(error))
        _, done, _ = run(tmp_path, pixels)
        (one,) = [found for found in done.facts.errors if found]
        assert (one.code, one.facts["reason"]) == ("example-closed", os.strerror(error))
        monkeypatch.setattr(os, "open", opened)
        if error == errno.EACCES:
            paths[0].chmod(0o640)
        _, done, _ = run(tmp_path, pixels)
        assert done.facts.errors == (None,) * 15


@pytest.mark.parametrize("damage", ["cut", "rows", "index", "footer", "empty", "foreign", "longer"])
def test_damage_is_noticed(tmp_path: Path, write_pngs: Write, pixels: type, damage: str) -> None:
    write_pngs(tmp_path)
    run(tmp_path, pixels)
    path = the_file()
    good = path.read_bytes()

    def flipped(place: int) -> bytes:
        return good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]

    bad = {
        "cut": good[:-100],
        "rows": flipped(500),
        "index": flipped(len(good) - 200),
        "footer": flipped(len(good) - 60),
        "empty": b"",
        "foreign": b"x" * 5000,
        "longer": good + b"x",
    }
    path.write_bytes(bad[damage])
    source, done, count = run(tmp_path, pixels)
    assert count == 15
    np.testing.assert_array_equal(done.rows["image"], truth(source))
    assert run(tmp_path, pixels)[2] == 0


def test_large_files_are_checked_by_sample(tmp_path: Path, write_pngs: Write, pixels: type, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pngs(tmp_path)
    monkeypatch.setattr(store, "BLOCK", 64)
    monkeypatch.setattr(store, "VERIFIED", 500)
    run(tmp_path, pixels)
    content = bytearray(the_file().read_bytes())
    content[10] ^= 1
    the_file().write_bytes(content)
    assert run(tmp_path, pixels)[2] == 15
    assert run(tmp_path, pixels)[2] == 0


def test_text_of_differing_length(tmp_path: Path, letters: type) -> None:
    words = ["a", "", "longer", "猫"]
    memory = {"text": words, "label": ["x", "y", "x", "y"]}
    source = open_source(DataConfig(), memory=memory)
    for _ in range(2):
        done = encode(source, {"text": letters()}, tmp_path)
        rows = done.rows["text"]
        assert ["".join(map(chr, rows[row])) for row in range(len(rows))] == words
        assert ["".join(map(chr, row)) for row in store.take(rows, np.array([3, 0, 2]))] == ["猫", "a", "longer"]
        assert done.facts.fingerprints == {}
    grown = encode(open_source(DataConfig(), memory={"text": [*words, "new"], "label": list("xyxyx")}), {"text": letters()}, tmp_path)
    assert "".join(map(chr, grown.rows["text"][4])) == "new"


def test_arrays_and_several_inputs(tmp_path: Path, digits: tuple[np.ndarray, np.ndarray], pixels: type) -> None:
    memory = {"one": digits[0][:20], "two": digits[0][5:25], "label": digits[1][:20]}
    memory["one"][3] = 7
    source = open_source(DataConfig(), memory=memory)
    seen: list[tuple[int, int]] = []
    done = encode(source, {"one": pixels(), "two": pixels()}, tmp_path, lambda count, total: seen.append((count, total)))
    assert (len(pixels.log), seen[0], seen[-1]) == (40, (20, 40), (40, 40))
    np.testing.assert_array_equal(done.rows["two"][:, 0], memory["two"])
    assert not done.facts.blank.any()  # one of the two pictures has something in it
    assert len(set(done.facts.sha256)) == 20
    encode(source, {"one": pixels(), "two": pixels()}, tmp_path)
    assert len(pixels.log) == 40


def test_equal_files_twice_in_a_table(tmp_path: Path, write_pngs: Write, pixels: type) -> None:
    paths = write_pngs(tmp_path, per_class=1)
    names = [path.relative_to(tmp_path) for path in (*paths, *paths)]
    (tmp_path / "t.csv").write_text("file,label\n" + "".join(f"{name},{name.parent}\n" for name in names))
    source = open_source(DataConfig(table=tmp_path / "t.csv"))
    for expected in (6, 0):
        pixels.log.clear()
        encode(source, {"file": pixels()}, tmp_path)
        assert len(pixels.log) == expected


def test_no_examples_with_an_error_alone(tmp_path: Path, pixels: type) -> None:
    source = open_source(DataConfig(), memory={"image": [Path("/nowhere/1"), Path("a\0b")], "label": ["x", "y"]})
    done = encode(source, {"image": pixels()}, tmp_path)
    assert [error.code for error in done.facts.errors if error] == ["example-missing"] * 2
    assert done.facts.sha256 == ("", "")


def test_where_the_files_go(tmp_path: Path, write_pngs: Write, pixels: type, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pngs(tmp_path / "p")
    monkeypatch.delenv("FLAMBEAU_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    run(tmp_path / "p", pixels)
    assert len(list((tmp_path / "xdg/flambeau/rows").glob("*.cache"))) == 1
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    run(tmp_path / "p", pixels)
    assert len(list((tmp_path / "home/.cache/flambeau/rows").glob("*.cache"))) == 1
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FLAMBEAU_CACHE", str(tmp_path / "file"))
    source = open_source(DataConfig(folder=tmp_path / "p"))
    done = encode(source, {"image": pixels()}, tmp_path / "run")
    assert [notice.code for notice in done.notices] == ["cache-elsewhere"]
    assert str(tmp_path / "run/cache") in done.notices[0].what
    assert len(list((tmp_path / "run/cache").glob("*.cache"))) == 1
    with pytest.raises(DeviceError):
        encode(source, {"image": pixels()}, tmp_path / "file" / "run")


def test_a_full_disk(tmp_path: Path, write_pngs: Write, pixels: type, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pngs(tmp_path)
    usage = cache_module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(cache_module.shutil, "disk_usage", lambda path: usage._replace(free=100))
    with pytest.raises(DeviceError, match="cache-full") as caught:
        run(tmp_path, pixels)
    assert caught.value.exit_code == 4
    assert caught.value.why
    assert pixels.log == []
    monkeypatch.undo()


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "cache-full"), (errno.EFBIG, "cache-full"), (errno.EROFS, "cannot-write")])
def test_a_disk_that_fails_in_the_middle(
    tmp_path: Path, write_pngs: Write, pixels: type, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    write_pngs(tmp_path)
    home = Path(os.environ["FLAMBEAU_CACHE"])
    monkeypatch.setattr(store.Writer, "finish", lambda *_: (_ for _ in ()).throw(OSError(number, os.strerror(number))))
    with pytest.raises(DeviceError, match=code):
        run(tmp_path, pixels)
    assert [path for path in home.rglob("*") if path.is_file()] == []


def test_a_real_limit_on_file_size(tmp_path: Path, write_pngs: Write) -> None:
    write_pngs(tmp_path, per_class=100)
    code = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import Pixels
from flambeau.data.cache import encode
from flambeau.data.config import DataConfig
from flambeau.data.reading import examine_all
from flambeau.data.source import open_source
source = open_source(DataConfig(folder=Path(sys.argv[1])))
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    encode(source, {"image": Pixels(side=32)}, Path(sys.argv[1]))
except Exception as error:
    print(error.code)
"""
    here = Path(__file__).resolve()
    environment = {**os.environ, "PYTHONPATH": str(here.parents[2]), "OMP_NUM_THREADS": "1"}
    out = subprocess.run([sys.executable, "-c", code, str(tmp_path), str(here.parent)], capture_output=True, text=True, check=True, env=environment)
    assert out.stdout.strip() == "cache-full"
    assert list(Path(os.environ["FLAMBEAU_CACHE"]).rglob("*.tmp")) == []


def test_a_bug_in_an_input_is_not_swallowed(tmp_path: Path, write_pngs: Write, pixels: type, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pngs(tmp_path)
    monkeypatch.setattr(pixels, "read", lambda self, value: np.zeros((1, 3, 3), np.uint8))
    with pytest.raises(AssertionError, match="its spec says"):
        run(tmp_path, pixels)
    assert [path for path in Path(os.environ["FLAMBEAU_CACHE"]).rglob("*") if path.is_file()] == []


def test_several_at_once(tmp_path: Path, write_pngs: Write, pixels: type) -> None:
    """Eight runs in one moment, half of them on changed data: each gets its own data, and the file stays sound."""
    write_pngs(tmp_path, per_class=20)
    whole = open_source(DataConfig(folder=tmp_path))
    half = replace(whole, examples=whole.examples[::2])
    wrong: list[str] = []

    def work(source: Source) -> None:
        for _ in range(4):
            done = encode(source, {"image": pixels()}, tmp_path)
            if not np.array_equal(done.rows["image"], truth(source)):
                wrong.append("rows")

    threads = [threading.Thread(target=work, args=(source,)) for source in (whole, half) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert store.open_store(the_file()) is not None


def test_old_files_are_removed(tmp_path: Path, write_pngs: Write, pixels: type) -> None:
    write_pngs(tmp_path)
    run(tmp_path, pixels)
    home = the_file().parent
    for name, days in ((".dead.tmp", 2), (".alive.tmp", 0), ("unused.cache", 31), ("used.cache", 29)):
        (home / name).write_bytes(b"")
        os.utime(home / name, (time.time() - days * 86_400,) * 2)
    run(tmp_path, pixels, side=4)
    assert {path.name for path in home.iterdir()} >= {".alive.tmp", "used.cache"}
    assert not {path.name for path in home.iterdir()} & {".dead.tmp", "unused.cache"}


def test_the_cache_takes_no_more_than_its_share_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was used last stays; what is about to be written counts too."""
    for days in range(1, 6):
        path = tmp_path / f"{days}.cache"
        path.write_bytes(b"x" * 1000)
        os.utime(path, (time.time() - days * 86_400,) * 2)
    free = [5000]
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: SimpleNamespace(free=free[0]))

    def left(needed: int = 0) -> list[str]:
        store.tidy(tmp_path, (tmp_path / "5.cache",), needed)
        return sorted(path.stem for path in tmp_path.iterdir())

    assert left() == ["1", "2", "3", "4", "5"]
    free[0] = 2500
    assert left() == ["1", "2", "3", "5"], "four of 1,000 bytes are more than half of 6,500; the one that is in use does not count"
    assert left(needed=1500) == ["1", "5"]


def test_many_rows_span_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "BLOCK", 100)
    rows = np.random.default_rng(0).integers(0, 255, (50, 33), np.uint8)
    with store.new_store(tmp_path / "x.cache") as (writer, _):
        for row in rows:
            writer.add(row)
        writer.finish({"note": np.array([1])})
    found = store.open_store(tmp_path / "x.cache")
    assert found is not None
    np.testing.assert_array_equal(found.data.reshape(50, 33), rows)
    assert len(found.index["checksums"]) == 17
    with pytest.raises(ZeroDivisionError), store.new_store(tmp_path / "y.cache"):
        _ = 1 / 0
    assert [path.name for path in tmp_path.iterdir()] == ["x.cache"]


@pytest.mark.parametrize("blocks", [1, 3])
def test_what_the_disk_says_meanwhile_is_not_lost(blocks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said once, to whoever asks first: here to the helper."""

    def broken(handle: int) -> None:
        if threading.current_thread().name.startswith("flushing"):
            raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(store, "BLOCK", 100)
    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="broken"), store.new_store(tmp_path / "x.cache") as (writer, _):
        for _ in range(blocks):
            writer.add(np.zeros(100, np.uint8))
        writer.finish({})
    assert list(tmp_path.iterdir()) == []


def test_pictures_in_memory_are_told_apart() -> None:
    ones = [Image.new("L", (2, 2), level) for level in (1, 1, 2)]
    assert reading.content_hash(ones[0]) == reading.content_hash(ones[1]) != reading.content_hash(ones[2])
    assert reading.content_hash(b"a") == hashlib.sha256(b"a").digest()
    assert len({reading.content_hash(value) for value in ("1", 1, 1.0, b"1", None, np.uint8(1))}) == 6


def test_all_of_a_value_tells_it_apart() -> None:
    """The text of a large array leaves out its middle, and of a number its last digits."""
    long = np.arange(3000).astype(object)
    other = long.copy()
    other[1500] = -1
    fine, finer = np.full(3, 0.1), np.full(3, 0.1 + 1e-12)
    values = [long, other, [long], [other], {"x": long}, {"x": other}, {"x": fine}, {"x": finer}, [[1, 2], [3]], [[1], [2, 3]], [[1, 2, 3]]]
    assert len({reading.content_hash(value) for value in values}) == len(values)
    assert all(reading.content_hash(copy.deepcopy(value)) == reading.content_hash(value) for value in values)


@pytest.mark.parametrize(
    ("value", "shape", "sizes"),
    [
        (Path("a.png"), (3, 8, 8), [16, 16, 1, 7]),
        (Path("a.png"), (1, 512, 1024), [4] * 8 + [1, 4, 3]),
        (Path("a.png"), (3, 4096, 4096), [1] * 40),
        (Path("a.npy"), (None, 2), [1] * 40),
        ("a text", (None,), [16, 16, 1, 7]),
    ],
)
def test_values_are_read_some_at_a_time_but_large_ones_alone(value: object, shape: tuple[int | None, ...], sizes: list[int]) -> None:
    """What waits to be written is bounded; a value that is known already stands alone."""
    matches = [3 if row == 32 else None for row in range(40)]
    portions = list(_portions([value] * 40, matches, TensorSpec(("axis",) * len(shape), shape, "uint8")))
    assert [portion.stop - portion.start for portion in portions] == sizes
    assert [row for portion in portions for row in range(portion.start, portion.stop)] == list(range(40))


def test_what_is_read_together_is_marked_as_if_alone(write_pngs: Write, tmp_path: Path, pixels: type) -> None:
    """Between files that cannot be read, that are blank, and that are known."""
    files = write_pngs(tmp_path / "some", per_class=2, classes=(0, 1))
    Image.new("L", (8, 8), 90).save(tmp_path / "blank.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    mixed = [tmp_path / "broken.png", files[0], files[1], tmp_path / "blank.png", tmp_path / "missing.png", files[2], files[3]]
    old = {one.sha256: replace(one, fingerprint=7) for one in examine_all([files[1]], pixels(), lambda digest: None)}
    together = examine_all(mixed, pixels(), old.get)
    alone = [examine_all([value], pixels(), old.get)[0] for value in mixed]
    facts = [[(one.sha256, one.stamp, one.error, one.blank, one.fingerprint) for one in found] for found in (together, alone)]
    assert facts[0] == facts[1]
    assert [one.blank for one in together] == [False, False, False, True, False, False, False]
    assert together[2].fingerprint == 7 and len({together[place].fingerprint for place in (1, 3, 5, 6)}) == 4
