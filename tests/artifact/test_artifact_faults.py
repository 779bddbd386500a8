"""An artifact that was damaged or forged is refused, with the member that is at fault; nothing in it is executed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import safetensors.numpy

import flambeau as fb
from flambeau import artifact
from flambeau.errors import CheckFailed, DataError, DeviceError, FlambeauError, RecipeError
from flambeau.pipeline import show

Forge = Callable[..., Path]
MEMBERS = (
    *("recipe.yaml", "signature.json", "preprocessing.json", "target.json", "weights.safetensors", "model.onnx", "verification.json"),
    *("README.md", "report.json", "report.html", "golden/golden.json", "golden/00-0.png"),
)


def refused(folder: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        fb.load(folder)
    assert caught.value.exit_code == 3
    assert str(caught.value)
    return caught.value


def test_the_list_is_complete(trained: Path) -> None:
    listed = set(json.loads((trained / "flambeau.json").read_bytes())["files"])
    assert listed == {path.relative_to(trained).as_posix() for path in trained.rglob("*") if path.is_file()} - {"flambeau.json"}
    assert set(MEMBERS) <= listed


@pytest.mark.parametrize("member", MEMBERS)
def test_a_flipped_bit_is_named(copied: Path, member: str) -> None:
    content = bytearray((copied / member).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / member).write_bytes(content)
    error = refused(copied)
    assert (error.code, error.facts["member"]) == ("artifact-altered", member)


@pytest.mark.parametrize("member", MEMBERS)
def test_a_missing_member_is_named(copied: Path, member: str) -> None:
    (copied / member).unlink()
    error = refused(copied)
    assert (error.code, error.facts["member"]) == ("artifact-incomplete", member)


@pytest.mark.parametrize("member", ["recipe.yaml", "preprocessing.json", "target.json", "signature.json", "golden/golden.json"])
def test_a_member_that_the_manifest_forgot(copied: Path, forge: Forge, member: str) -> None:
    files = json.loads((copied / "flambeau.json").read_bytes())["files"]
    del files[member]
    error = refused(forge(files=files))
    assert (error.code, error.facts["member"]) == ("artifact-incomplete", member)


def test_the_manifest_itself(copied: Path, tmp_path: Path) -> None:
    manifest = (copied / "flambeau.json").read_bytes()
    for damaged, code in (
        (manifest.replace(b'"numpy"', b'"numpi"'), "artifact-altered"),
        (manifest[:100], "artifact-member"),
        (b"", "artifact-member"),
        (b"[]", "artifact-member"),
        (b"[" * 100_000, "artifact-member"),
        (b"\xff\xfe", "artifact-member"),
        (b'{"format": 1}', "artifact-member"),
        (b'{"format": 1, "flambeau": 1, "versions": [], "files": 3, "sha256": ""}', "artifact-member"),
        (manifest.replace(b'"format": 1', b'"format": 99').replace(b'"0.1.0"', b'"9.0"'), "artifact-format"),
        (b"{}", "artifact-format"),
    ):
        (copied / "flambeau.json").write_bytes(damaged)
        assert refused(copied).code == code
    (copied / "flambeau.json").unlink()
    assert refused(copied).code == "model-missing"
    with pytest.raises(DataError) as caught:
        artifact.load(tmp_path)
    assert caught.value.code == "artifact-missing"


def test_a_later_format_says_what_to_do(copied: Path) -> None:
    (copied / "flambeau.json").write_text('{"format": 2, "flambeau": "3.1", "anything": {"else": []}}', encoding="utf-8")
    error = refused(copied)
    assert "format 2" in error.what
    assert "3.1" in error.what
    assert error.fix == "pip install --upgrade flambeau"


def test_links_are_refused(copied: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret", encoding="utf-8")
    member = copied / "target.json"
    content = member.read_bytes()
    elsewhere = tmp_path / "target.json"
    elsewhere.write_bytes(content)
    member.unlink()
    member.symlink_to(elsewhere)
    error = refused(copied)
    assert (error.code, error.facts["member"]) == ("artifact-outside", "target.json")
    member.unlink()
    member.write_bytes(content)
    (copied / "golden").rename(tmp_path / "golden")
    (copied / "golden").symlink_to(tmp_path / "golden")
    assert refused(copied).code == "artifact-outside"


@pytest.mark.parametrize("name", ["../secret.txt", "golden/../../secret.txt", "/etc/hostname", "a\0b"])
def test_a_manifest_that_leads_outside(copied: Path, forge: Forge, name: str) -> None:
    (copied.parent / "secret.txt").write_text("secret", encoding="utf-8")
    files = json.loads((copied / "flambeau.json").read_bytes())["files"]
    error = refused(forge(files={**files, name: "0" * 64}))
    assert error.code == ("artifact-incomplete" if "\0" in name else "artifact-outside")


@pytest.mark.parametrize("name", ["../secret.png", "..", "/etc/hostname", "none.png", "", "sub/x.png"])
@pytest.mark.parametrize("kind", ["file", "array"])
def test_goldens_that_lead_outside(copied: Path, forge: Forge, picture: Path, name: str, kind: str) -> None:
    (copied / "secret.png").write_bytes(picture.read_bytes())
    golden = json.loads((copied / "golden/golden.json").read_bytes())
    golden["examples"][0]["image"] = {kind: name}
    assert refused(forge("golden/golden.json", golden)).code == "artifact-outside"


HOSTILE_JSON: dict[str, list[Any]] = {
    "target.json": [
        {},
        {"type": "classification"},
        {"type": "regression"},
        {"type": "classification", "labels": "abc", "counts": [], "weights": [], "loss_name": "x", "focal_gamma": 0, "label_smoothing": 0},
        b"null",
        b'{"labels": NaN',
        b"[" * 50_000 + b"]" * 50_000,
    ],
    "preprocessing.json": [{"image": {}}, {"image": {"type": "sound"}}, {"image": 3}, b"[]", b'"x"'],
    "signature.json": [{}, {"name": 3}, {"name": "x", "labels": "abc", "inputs": [], "test": 0, "baseline": {}}, b"[1]"],
    "golden/golden.json": [
        {},
        {"examples": 3, "answers": []},
        {"examples": [{"image": "x.png"}], "answers": [[1.0]]},
        {"examples": [{"image": {"file": "00-0.png"}}], "answers": []},
        {"examples": [{"image": {"file": "00-0.png"}}] * 2, "answers": [[0.5], [0.5, 0.5]]},
        b'{"examples": [], "answers": [], "__import__": "os"}',
    ],
}


@pytest.mark.parametrize(("member", "number"), [(member, number) for member, contents in HOSTILE_JSON.items() for number in range(len(contents))])
def test_hostile_json(forge: Forge, member: str, number: int) -> None:
    error = refused(forge(member, HOSTILE_JSON[member][number]))
    assert error.code == "artifact-member"
    assert member.split("/")[-1] in str(error.where)


def test_a_member_larger_than_any(copied: Path, forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flambeau.members.MAX_JSON", 1000)
    assert refused(copied).code == "artifact-member"


@pytest.mark.parametrize("answer", [0.9, float("nan"), float("inf")])
def test_answers_that_differ_from_the_tested_ones(copied: Path, forge: Forge, answer: float) -> None:
    """A NaN compares with nothing: it must not pass as equal."""
    golden = json.loads((copied / "golden/golden.json").read_bytes())
    golden["answers"][2][0] = answer
    error = refused(forge("golden/golden.json", golden))
    assert error.code == ("golden-differs" if answer == 0.9 else error.code)
    assert error.code in ("golden-differs", "artifact-member")


def test_answers_of_another_shape(copied: Path, forge: Forge) -> None:
    golden = json.loads((copied / "golden/golden.json").read_bytes())
    golden["answers"] = [row[:2] for row in golden["answers"]]
    assert refused(forge("golden/golden.json", golden)).code == "golden-differs"


@pytest.mark.parametrize("labels", [["a", "b"], [str(number) for number in range(40)]])
def test_labels_that_do_not_belong_to_the_answers(copied: Path, forge: Forge, labels: list[str]) -> None:
    target = json.loads((copied / "target.json").read_bytes())
    counts = [1] * len(labels)
    assert refused(forge("target.json", {**target, "labels": labels, "counts": counts, "weights": [1.0] * len(labels)})).code in (
        "model-damaged",
        "golden-differs",
    )


def test_preprocessing_that_does_not_belong_to_the_values(tmp_path: Path) -> None:
    """A table with twice as many lists of words as it has columns of them."""
    rows = {"age": list(range(60)), "colour": ["red", "green", "blue"] * 20, "label": ["a", "b"] * 30}
    run = fb.fit(rows, target="label", run=tmp_path / "run", epochs=1, show=lambda event: None)
    folder = run.artifact
    content = json.loads((folder / "preprocessing.json").read_bytes())
    ((name, table),) = content.items()
    content[name] = {**table, "categories": table["categories"] * 2}
    (folder / "preprocessing.json").write_text(json.dumps(content))
    manifest = json.loads((folder / "flambeau.json").read_bytes())
    artifact._write_manifest(folder, manifest["versions"])
    assert refused(folder).code == "model-damaged"


def test_a_golden_array_is_no_pickle(copied: Path, forge: Forge, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {tmp_path / 'owned'}",)

    buffer = io.BytesIO()
    np.save(buffer, np.array([Evil()], object), allow_pickle=True)
    giant = b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(117) + b"\n"
    golden = json.loads((copied / "golden/golden.json").read_bytes())
    golden["examples"][0]["image"] = {"array": "x.npy"}
    for content in (buffer.getvalue(), giant, b"", b"no array"):
        (copied / "golden/x.npy").write_bytes(content)
        files = json.loads((copied / "flambeau.json").read_bytes())["files"]
        assert refused(forge("golden/golden.json", golden, files={**files, "golden/x.npy": ""})).code == "artifact-member"
    assert not (tmp_path / "owned").exists()


def test_a_graph_that_is_none(copied: Path, forge: Forge) -> None:
    content = (copied / "model.onnx").read_bytes()
    for damaged in (b"", b"text", content[:200], content[: len(content) // 2], b"\x08" * 1000):
        assert refused(forge("model.onnx", damaged)).code == "model-damaged"


def test_every_damaged_graph_is_an_error_of_ours(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bits flipped all over the file, behind the back of the hash."""
    from flambeau.exporting.onnx import Onnx

    content = (copied / "model.onnx").read_bytes()
    path = copied / "model.onnx"
    refusals = 0
    for place in range(0, 4000, 61):
        damaged = bytearray(content)
        damaged[place % len(content)] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        try:
            Onnx().load(path, 1)
        except DataError as error:
            assert error.code == "model-damaged"
            refusals += 1
    assert refusals > 5
    assert capsys.readouterr().out == "", "standard output belongs to the command"


def test_external_data_is_never_read(copied: Path, forge: Forge, tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(np.zeros(10_000, np.float32).tobytes())
    graph = (copied / "model.onnx").read_bytes()
    for location in ("../secret.bin", str(tmp_path / "secret.bin"), "weights.safetensors"):
        model = onnx.load_from_string(graph)
        tensor = max(model.graph.initializer, key=lambda one: len(one.raw_data))
        size = len(tensor.raw_data)
        assert size
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", str(size))):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
        assert refused(forge("model.onnx", model.SerializeToString())).code == "model-damaged"


def test_a_graph_of_another_model(copied: Path, forge: Forge) -> None:
    """Well formed, but with other inputs or outputs than the artifact says."""
    helper = onnx.helper
    answers = helper.make_tensor_value_info("answers", onnx.TensorProto.FLOAT, ["n", 4])
    other = helper.make_tensor_value_info("other", onnx.TensorProto.FLOAT, ["n", 4])
    for name, output in (("sound", answers), ("image", answers), ("image", other)):
        taken = helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 4])
        graph = helper.make_graph([helper.make_node("Identity", [name], [output.name])], "g", [taken], [output])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        assert refused(forge("model.onnx", model.SerializeToString())).code == "model-damaged"


def test_weights_that_lie(copied: Path, forge: Forge, capsys: pytest.CaptureFixture[str]) -> None:
    """They are read for exports and tables only, and there they have to fit."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 8]}}).encode()
    lying = len(header).to_bytes(8, "little") + header + b"\0" * 8
    for content in (lying, (2**62).to_bytes(8, "little") + b"{}", b"", safetensors.numpy.save({"other": np.zeros(3, np.float32)})):
        with pytest.raises(DataError) as caught:
            show(forge("weights.safetensors", content))
        assert caught.value.code == "weights-misfit"
    files = json.loads((copied / "flambeau.json").read_bytes())["files"]
    (copied / "weights.safetensors").unlink()
    (copied / "model.onnx").unlink()
    remaining = {name: digest for name, digest in files.items() if name not in ("weights.safetensors", "model.onnx")}
    assert refused(forge(files=remaining)).code == "weights-misfit"


def test_a_recipe_that_lies(copied: Path, forge: Forge) -> None:
    for content in (
        b"",
        b"[]",
        b"network: 3",
        b"network: [{conv2d: 1000000000000}]",
        b"network: {custom: {target: 'os:system'}}",
        b"!!python/object:os.x {}",
    ):
        with pytest.raises((DataError, RecipeError)):
            show(forge("recipe.yaml", content))


def test_no_pickle_anywhere(trained: Path) -> None:
    """Neither by ending nor by content: protocol 2 and later begin with 0x80, archives of torch.save with PK."""
    for path in trained.rglob("*"):
        assert path.suffix not in (".pt", ".pth", ".pkl", ".pickle", ".joblib", ".bin")
        if path.is_file():
            assert path.read_bytes()[:2] not in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def test_answers_need_no_torch(trained: Path, picture: Path) -> None:
    code = f"""
import sys
import flambeau as fb
[answer] = fb.load({str(trained)!r}).predict([{str(picture)!r}])
assert abs(sum(answer.probabilities.values()) - 1) < 1e-5
print(sorted(name for name in ("torch", "onnx", "onnxscript", "sklearn", "scipy", "timm", "pandas") if name in sys.modules))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_added_members_are_kept_whole(copied: Path) -> None:
    artifact.add(copied, {"exports/x.bin": b"1"})
    artifact.add(copied, {"exports/x.bin": b"2", "exports/y.bin": b"3"})
    manifest = artifact.verify_files(copied)
    assert {"exports/x.bin", "exports/y.bin"} <= manifest["files"].keys()
    assert (copied / "exports/x.bin").read_bytes() == b"2"
    assert fb.load(copied).labels == ("0", "1", "2", "3")


def test_adding_can_stop_anywhere(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever write is the last one, the artifact answers."""
    artifact.add(copied, {"exports/x.bin": b"1", "exports/y.bin": b"1"})
    real = artifact.write_atomically
    for number in range(1, 10):
        left = number

        def write(path: Path, data: bytes) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise DeviceError("disk-full", where=str(path), folder=path.parent)
            real(path, data)

        monkeypatch.setattr(artifact, "write_atomically", write)
        try:
            artifact.add(copied, {"exports/x.bin": b"2" * number, "exports/y.bin": b"2", "verification.json": b"{}"})
        except DeviceError:
            assert fb.load(copied).labels
        else:
            assert number == 6
            break


def test_writing_can_stop_anywhere(trained: Path, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old artifact stays until the new one is whole."""
    members = {
        path.relative_to(trained).as_posix(): path.read_bytes() for path in trained.rglob("*") if path.is_file() and path.name != "flambeau.json"
    }
    real = artifact.write_atomically
    for number in (1, len(members), len(members) + 1):
        left = number

        def write(path: Path, data: bytes) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise OSError(28, "No space left on device")
            real(path, data)

        monkeypatch.setattr(artifact, "write_atomically", write)
        with pytest.raises(DeviceError) as caught:
            artifact.write(copied, members, {"flambeau": "9"})
        assert (caught.value.code, caught.value.exit_code) == ("disk-full", 4)
        assert fb.load(copied).artifact.manifest["versions"].keys() >= {"torch"}
    monkeypatch.setattr(artifact, "write_atomically", real)
    artifact.write(copied, members, {"flambeau": "9"})
    assert fb.load(copied).artifact.manifest["versions"] == {"flambeau": "9"}
    assert [path.name for path in copied.parent.iterdir() if path.name.startswith(".")] == []


def test_an_error_names_the_model_that_is_meant(tmp_path: Path, trained: Path) -> None:
    error = refused(trained.parent.parent / "rum")
    assert error.code == "model-missing"
    assert str(trained.parent) in error.fix
    assert refused(tmp_path).code == "model-missing"
    assert fb.load(trained.parent).path == fb.load(trained).path == trained.resolve()


def test_the_model_card_tells_the_test(trained: Path) -> None:
    card = (trained / "README.md").read_text(encoding="utf-8")
    accuracy = json.loads((trained / "signature.json").read_bytes())["test"]["accuracy"]
    assert card.startswith("---\nlibrary_name: flambeau\n")
    assert f"| accuracy | {accuracy['value']:.4f} | {accuracy['low']:.4f}-{accuracy['high']:.4f} | 18 |" in card
    assert "channels 1 x height 8 x width 8" in card


def test_the_graph_explains_itself(trained: Path) -> None:
    session_properties = {entry.key: entry.value for entry in onnx.load(str(trained / "model.onnx")).metadata_props}
    told = json.loads(session_properties["flambeau"])
    assert told["labels"] == ["0", "1", "2", "3"]
    assert told["recipe"] == json.loads((trained / "signature.json").read_bytes())["recipe"]
    assert told["preprocessing"] == json.loads((trained / "preprocessing.json").read_bytes())


def test_errors_are_flambeau_errors() -> None:
    assert issubclass(DataError, FlambeauError)
    assert CheckFailed.exit_code == 1
