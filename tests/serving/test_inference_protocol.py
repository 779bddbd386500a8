from __future__ import annotations

import base64

import numpy as np
import pytest

from flambeau.inputs.sequence import SequenceInput
from flambeau.inputs.table import TableInput
from flambeau.inputs.text import TextInput
from flambeau.predictor import Predictor
from flambeau.serving.model import ServedModel

PATH = "/v2/models/digits/infer"


def tensor(**changes):
    return {"name": "image", "shape": [1, 1, 8, 8], "datatype": "UINT8", "data": [0] * 64} | changes


def test_health_and_metadata(client, model):
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").status_code == client.get("/v2/models/digits/ready").status_code == 200
    assert client.get("/v2").json()["name"] == "flambeau"
    metadata = client.get("/v2/models/digits").json()
    assert metadata["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, 1, 8, 8]}]
    assert metadata["outputs"] == [{"name": "answers", "datatype": "FP32", "shape": [-1, 10]}]
    assert metadata["parameters"]["labels"] == list(model.predictor.target.labels)


@pytest.mark.parametrize("nested", [False, True])
def test_tensors_and_raw_files_give_the_predictors_answers(client, model, pictures, nested):
    arrays = np.stack([model.predictor.encode({"image": picture})["image"] for picture in pictures[:3]])
    direct = model.predictor.answer([{"image": array} for array in arrays])
    data = arrays.tolist() if nested else arrays.ravel().tolist()
    reply = client.post(PATH, json={"id": "seven", "inputs": [tensor(shape=[3, 1, 8, 8], data=data)]}).json()
    assert (reply["id"], reply["model_name"]) == ("seven", "digits")
    (output,) = reply["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("answers", "FP32", [3, 10])
    assert np.allclose(np.reshape(output["data"], (3, 10)), direct, atol=1e-6)
    raw = [base64.b64encode(picture).decode() for picture in pictures[:3]]
    assert client.post(PATH, json={"inputs": [tensor(shape=[3], datatype="BYTES", data=raw)]}).json()["outputs"] == reply["outputs"]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"shape": [2, 1, 8, 8]}, 400, "tensor-shape"),  # says more than it brings
        ({"shape": [1, 1, 8, 9], "data": [0] * 72}, 400, "tensor-shape"),
        ({"shape": [1, 64]}, 400, "tensor-shape"),
        ({"shape": [-1, 1, 8, 8]}, 400, "tensor-shape"),
        ({"shape": [0, 1, 8, 8]}, 400, "tensor-shape"),
        ({"shape": [10**12, 1, 8, 8]}, 400, "tensor-shape"),
        ({"shape": [1, 1, 10**30, 8]}, 400, "tensor-shape"),
        ({"shape": [True, 1, 8, 8]}, 400, "tensor-shape"),
        ({"shape": ["1", 1, 8, 8]}, 400, "tensor-shape"),
        ({"shape": "1"}, 422, "request-value-type"),
        ({"shape": [1000, 1, 8, 8]}, 413, "items-too-many"),
        ({"datatype": "FP32"}, 400, "tensor-type"),
        ({"datatype": "uint8"}, 400, "tensor-type"),
        ({"data": [0.5] * 64}, 422, "request-value-type"),
        ({"data": [True] * 64}, 422, "request-value-type"),
        ({"data": ["0"] * 64}, 422, "request-value-type"),
        ({"data": [[0] * 63, 0]}, 422, "request-value-type"),
        ({"data": [256] * 64}, 422, "number-invalid"),
        ({"data": [-1] * 64}, 422, "number-invalid"),
        ({"data": [10**40] * 64}, 422, "number-invalid"),
        ({"data": []}, 422, "request-value-type"),
        ({"data": [[]]}, 400, "tensor-shape"),
        ({"name": "other"}, 400, "tensor-names"),
        ({"extra": 1}, 422, "request-field-unknown"),
        ({"datatype": "BYTES", "shape": [2], "data": ["aGVsbG8="]}, 400, "tensor-shape"),
        ({"datatype": "BYTES", "shape": [1], "data": ["not base64"]}, 400, "base64-invalid"),
        ({"datatype": "BYTES", "shape": [1], "data": ["https://127.0.0.1/a"]}, 422, "url-refused"),
        ({"datatype": "BYTES", "shape": [1], "data": [7]}, 422, "request-value-type"),
        ({"datatype": "BYTES", "shape": [1], "data": ["aGVsbG8="]}, 422, "image-unreadable"),
    ],
)
def test_lies_about_tensors(client, changes, status, code):
    response = client.post(PATH, json={"inputs": [tensor(**changes)]})
    assert (response.status_code, response.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("document", "status", "code"),
    [
        ({"inputs": []}, 422, "request-value-type"),
        ({"inputs": [tensor(), tensor()]}, 413, "items-too-many"),
        ({"inputs": [tensor()], "id": 7}, 422, "request-value-type"),
        ({"inputs": [{"name": "image"}]}, 422, "field-missing"),
        ({}, 422, "field-missing"),
    ],
)
def test_bad_requests(client, document, status, code):
    response = client.post(PATH, json=document)
    assert (response.status_code, response.json()["code"]) == (status, code)


def two_inputs(make_model):
    """A model of two pictures: it answers with the first one's class."""
    from dataclasses import replace

    from flambeau.predictor import Predictor

    one = make_model()
    digit = one.predictor.inputs["image"]
    predictor = Predictor({"left": digit, "right": digit}, lambda inputs: one.predictor.runner({"image": inputs["left"]}), one.predictor.target)
    return replace(one, predictor=predictor, signature={"inputs": {"left": {"type": "image"}, "right": {"type": "image"}}})


def test_several_inputs(make_model, run_server, limits, pictures, expected):
    import httpx

    text = [base64.b64encode(picture).decode() for picture in pictures[:2]]
    with run_server(two_inputs(make_model), limits) as url, httpx.Client(base_url=url) as client:
        reply = client.post("/predict", json={"inputs": [{"left": text[0], "right": text[1]}, {"left": text[1], "right": text[0]}]})
        assert [one["label"] for one in reply.json()["predictions"]] == expected[:2]
        bare = client.post("/predict", content=pictures[0], headers={"content-type": "image/png"})
        assert (bare.status_code, bare.json()["code"]) == (422, "fields-needed")
        tensors = [tensor(name=name, datatype="BYTES", shape=[1], data=[text[0]]) for name in ("left", "right")]
        assert client.post(PATH, json={"inputs": tensors}).status_code == 200
        for wrong in ([tensors[0]], [tensors[0], tensors[0]], [tensors[0], tensor(name="right", datatype="BYTES", shape=[2], data=text)]):
            assert client.post(PATH, json={"inputs": wrong}).json()["code"] == "tensor-names"
        paths = client.get("/openapi.json").json()["paths"]
        assert list(paths["/predict"]["post"]["requestBody"]["content"]) == ["application/json"]


@pytest.mark.parametrize(("dtype", "good", "bad"), [("float32", [0.5, 1], 1e39), ("int64", [1, -2], 2**63)])
def test_numbers_of_other_types(dtype, good, bad):
    from flambeau.errors import UsageError
    from flambeau.serving.inference import _numbers

    array = _numbers(good, (2,), dtype, "data")
    assert array.dtype == dtype and array.tolist() == good
    with pytest.raises(UsageError):
        _numbers([bad, bad], (2,), dtype, "data")


def texts(ngrams):
    values = ["good film", "bad film", "a good one"] * 5
    chosen = TextInput(max_length=8, ngrams=ngrams).resolve(values)
    return chosen.fit([chosen.read(value) for value in values])


def series():
    values = [np.arange(9.0)[:, None] * place for place in range(1, 6)]
    chosen = SequenceInput(max_length=8, length="varies", channels=1).resolve(values)
    return chosen.fit([chosen.read(value) for value in values])


def rows():
    values = [{"age": age, "colour": colour} for age, colour in zip(range(20, 32), ["red", "green", "red", "blue"] * 3, strict=True)]
    chosen = TableInput.over({name: [value[name] for value in values] for name in values[0]}).resolve(values)
    return chosen.fit([chosen.read(value) for value in values])


def served_on(preprocessor, model, seen):
    def runner(inputs):
        seen.append(inputs["value"].copy())
        return np.full((len(inputs["value"]), 10), 0.1, np.float32)

    predictor = Predictor({"value": preprocessor}, runner, model.predictor.target)
    return ServedModel(predictor, "digits", {**model.signature, "inputs": {"value": {"type": preprocessor.type}}}, model.runtime)


@pytest.mark.parametrize(
    ("make", "raw", "wrong"),
    [
        (lambda: texts(1), "good film " * 50, [[0] * 9, [-1], [10**12], [3, 2, 999_999]]),
        (lambda: texts(2), "good film " * 50, [[0] * 17, [-1]]),
        (series, [[float(time)] for time in range(50)], [[[0.0]] * 9, [[1e30]] * 4000]),
        (rows, {"age": 25, "colour": "red"}, [[25.0, 4.0], [25.0, -1.0], [25.0, 1.5], [25.0, 1e30]]),
    ],
    ids=["words", "pairs of words", "series", "rows"],
)
def test_a_tensor_is_one_that_the_server_could_have_encoded(model, run_server, limits, make, raw, wrong):
    """Else 16 kB of ids cost gigabytes, and an unknown id breaks the graph."""
    preprocessor, seen = make(), []
    datatype = {"int64": "INT64", "float32": "FP32", "float64": "FP64"}[preprocessor.spec.dtype]

    def asked(value):
        return {"inputs": [{"name": "value", "shape": [1, *np.shape(value)], "datatype": datatype, "data": np.ravel(value).tolist()}]}

    import httpx

    with run_server(served_on(preprocessor, model, seen), limits) as url, httpx.Client(base_url=url, timeout=20) as client:
        encoded = preprocessor.encode(raw)  # the longest there is: what follows is longer, or of other ids
        assert client.post(PATH, json=asked(encoded)).status_code == 200
        assert np.array_equal(seen[-1][0], encoded)
        seen.clear()
        for value in wrong:
            reply = client.post(PATH, json=asked(value))
            assert (reply.status_code, reply.json()["code"]) == (422, "tensor-values")
    assert not seen


@pytest.mark.parametrize(
    ("make", "accepts", "raw"),
    [
        (rows, "FP64", None),
        (series, "FP32", None),
        (lambda: texts(1), "INT64 or BYTES", "value: datatype BYTES and shape [n] takes raw texts"),
    ],
    ids=["rows", "series", "words"],
)
def test_only_inputs_that_take_raw_values_say_so(model, run_server, limits, make, accepts, raw):
    import httpx

    with run_server(served_on(make(), model, []), limits) as url, httpx.Client(base_url=url) as client:
        assert client.get("/v2/models/digits").json()["parameters"].get("raw") == raw
        for datatype in ("BOOL", *(["BYTES"] if raw is None else [])):
            reply = client.post(PATH, json={"inputs": [{"name": "value", "shape": [1], "datatype": datatype, "data": ["a"]}]})
            assert reply.json()["message" if "message" in reply.json() else "detail"] == f"datatype {datatype} does not fit: expected {accepts}"
            assert "BYTES" not in reply.json()["fix"]
        if raw is not None:
            given = {"name": "value", "shape": [2], "datatype": "BYTES", "data": ["good film", "bad"]}
            assert client.post(PATH, json={"inputs": [given]}).json()["outputs"][0]["shape"] == [2, 10]
        empty = client.post(PATH, content=b"", headers={"content-type": "application/json"}).json()
        assert empty["code"] == "request-empty" and "application/json" in empty["fix"] and "photo" not in empty["fix"]


def test_raw_files_are_told_of_a_picture(client):
    assert client.get("/v2/models/digits").json()["parameters"]["raw"] == "image: datatype BYTES and shape [n] takes raw files as base64"
    assert client.post(PATH, json={"inputs": [tensor(datatype="FP32")]}).json()["detail"].endswith("expected UINT8 or BYTES")
