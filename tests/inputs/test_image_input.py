"""The image input from the recipe to the fitted preprocessor."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from flambeau import messages
from flambeau.errors import CheckFailed, DataError
from flambeau.inputs.augment.steps import Flip, Rotate
from flambeau.inputs.contract import check_input
from flambeau.inputs.image import ImageInput, ImagePreprocessor
from flambeau.inputs.input import collate
from flambeau.inputs.statistics import IMAGENET, Statistics, measured
from flambeau.inputs.union import INPUTS, AnyInput, AnyPreprocessor
from flambeau.types import TensorSpec


def made(count: int, *, width: int = 60, height: int = 48, mode: str = "RGB") -> list[np.ndarray]:
    dice = np.random.default_rng(width)
    shape = (height, width) if mode == "L" else (height, width, 3)
    return [dice.integers(0, 256, shape, np.uint8) for _ in range(count)]


# recognising


@pytest.mark.parametrize(
    ("values", "is_image"),
    [
        (["a.jpg", "b/c.PNG", "d.webp"], True),
        (["a.jpg"] * 9 + ["a.txt"], True),
        (["a.jpg"] * 8 + ["a.txt"] * 2, False),
        (["cat", "dog"], False),
        (["3.5", "2"], False),
        ([], False),
        ([None], False),
        ([1.0, 2.0], False),
        ([b"\xff\xd8\xff\xe0", b"GIF89a"], True),
        ([b"hello"], False),
        ([np.zeros((4, 4), np.uint8)], True),
        ([np.zeros((8, 8, 3))], True),
        ([np.ones((8, 8))], True),
        ([np.full((8, 8), 300.0)], False),
        ([np.full((8, 8), np.nan)], False),
        ([np.full((100, 6), 0.5)], False),
        ([np.zeros((4, 4), "U1")], False),
        ([np.zeros(8, np.uint8)], False),
        ([Image.new("L", (2, 2))], True),
        (["\0", "\ud800"], False),
    ],
)
def test_recognising(values, is_image):
    assert ImageInput.recognises(values) is is_image


def test_paths_without_an_ending_are_looked_into(tmp_path, photo):
    photo.save(tmp_path / "one", "PNG")
    (tmp_path / "two").write_text("words")
    assert ImageInput.recognises([tmp_path / "one"]) and not ImageInput.recognises([tmp_path / "two"])
    assert not ImageInput.recognises([tmp_path]) and not ImageInput.recognises([str(tmp_path / "none")])


# resolving


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [
        (28, 28, (28, 28)),
        (8, 8, (8, 8)),
        (40, 30, (40, 30)),
        (41, 41, (64, 64)),
        (100, 100, (64, 64)),
        (200, 300, (96, 96)),
        (3000, 4000, (128, 128)),
    ],
)
def test_the_size_follows_the_data(height, width, size):
    settled = ImageInput().resolve([Image.new("L", (width, height))] * 3)
    assert (settled.size, settled.resize, settled.channels) == (size, "stretch", 1)


def test_small_pictures_of_several_sizes():
    assert ImageInput().resolve(made(2, width=20, height=20) + made(2, width=36, height=36)).size == (32, 32)


def test_the_policy_follows_the_proportions():
    wide, square = made(9, width=60, height=40), made(1, width=40, height=40)
    assert ImageInput().resolve(wide).resize == "stretch"
    assert ImageInput().resolve(wide + square).resize == "pad"
    assert ImageInput(resize="crop").resolve(wide + square).resize == "crop"


def test_one_colour_picture_makes_three_channels():
    assert ImageInput().resolve(made(3, mode="L") + made(1)).channels == 3
    assert ImageInput().resolve(made(3, mode="L")).channels == 1
    assert ImageInput(channels=1).resolve(made(3)).channels == 1


def test_damaged_ones_are_passed_over():
    assert ImageInput().resolve([b"", "no.png", *made(1)]).size == (64, 64)
    with pytest.raises(DataError) as raised:
        ImageInput().resolve([b"", "no.png"])
    assert raised.value.code == "image-empty"
    with pytest.raises(DataError) as raised:
        ImageInput().resolve([])
    assert raised.value.code == "inputs-unseen"


def test_only_a_part_of_a_large_sample_is_looked_at(monkeypatch):
    from flambeau.inputs import recognition

    looked = []
    original = recognition.look
    monkeypatch.setattr(recognition, "look", lambda *given, **options: looked.append(1) or original(*given, **options))
    ImageInput().resolve(made(1) * 5000)
    assert 128 <= len(looked) <= 256 + 32
    looked.clear()
    ImageInput(size=8, resize="pad", channels=1, depth=16).resolve(["never opened"])
    assert not looked


@pytest.mark.parametrize(("high", "depth"), [(200, 8), (1023, 10), (1024, 12), (4095, 12), (9_000, 14), (16_384, 16), (65_535, 16)])
def test_how_deep_sixteen_bit_pictures_are(high, depth, tmp_path):
    dark = np.linspace(0, high, 400).astype(np.uint16).reshape(20, 20)
    Image.fromarray(dark).save(tmp_path / "deep.png")
    Image.fromarray(dark // 3).save(tmp_path / "deep.tif")
    (tmp_path / "damaged.png").write_bytes((tmp_path / "deep.png").read_bytes()[:60])
    for values in ([dark, dark // 2], [tmp_path / "damaged.png", tmp_path / "deep.tif", tmp_path / "deep.png", np.zeros((20, 20), np.uint8)]):
        settled = ImageInput().resolve(values)
        assert settled.depth == depth
    read = settled.read(tmp_path / "deep.png")
    assert np.array_equal(read, settled.read(dark))
    assert np.array_equal(read[0], np.rint(dark / (2**depth - 1) * 255))
    assert settled.fit([read]).read(dark).tolist() == read.tolist()
    assert len(settled.describe()) == (depth < 16)


def test_depth_is_of_sixteen_bit_pictures_alone():
    assert ImageInput().resolve(made(3)).depth == 16
    shallow = ImageInput(size=2, resize="pad", channels=1, depth=10)
    assert shallow.read(np.array([[0, 7], [100, 255]], np.uint8)).tolist() == [[[0, 7], [100, 255]]]
    assert shallow.read(np.array([[0, 511], [512, 1023]], np.uint16)).tolist() == [[[0, 127], [128, 255]]]
    assert shallow.reading_key() != shallow.model_copy(update={"depth": 12}).reading_key()
    with pytest.raises(DataError, match="image-deeper") as caught:
        shallow.read(np.array([[0, 1024]], np.uint16))
    assert "1,024" in str(caught.value)


def test_augmentation_is_settled_without_a_flip():
    settled = ImageInput().resolve(made(1))
    assert settled.augment and not any(isinstance(step, Flip) for step in settled.augment)
    assert ImageInput(augment="auto") == ImageInput()
    assert ImageInput(augment=[]).resolve(made(1)).augment == ()
    assert ImageInput(augment=[]).resolve(made(1)).augmentation(settled.spec) is None
    assert settled.augmentation(settled.spec) is not None


# the recipe


def test_recipes_in_yaml_and_python_are_equal():
    written = {"size": [28, 28], "grayscale": True, "denoise": "median", "augment": [{"rotate": 15}, "flip"]}
    from flambeau.inputs.denoise import Median

    assert ImageInput.model_validate(written) == ImageInput(size=(28, 28), grayscale=True, denoise=Median(), augment=(Rotate(degrees=15), Flip()))
    assert ImageInput(size=28).size == (28, 28)


@pytest.mark.parametrize(
    ("written", "where", "kind"),
    [
        ({"size": 0}, ("size",), "size-form"),
        ({"size": True}, ("size",), "size-form"),
        ({"size": "28"}, ("size",), "size-form"),
        ({"size": [28]}, ("size",), "size-form"),
        ({"size": [28, 1e9]}, ("size",), "size-form"),
        ({"channels": 2}, ("channels",), "literal_error"),
        ({"resize": "crops"}, ("resize",), "literal_error"),
        ({"standardise": "dat"}, ("standardise",), "standard-unknown"),
        ({"standardise": {"mean": [0.5], "std": [0]}}, ("standardise", "given"), "statistics-form"),
        ({"standardise": {"mean": [0.5, 0.5], "std": [1, 1]}}, ("standardise", "given"), "statistics-form"),
        ({"augment": [{"rotate": {"degres": 3}}]}, ("augment", 0, "rotate", "degres"), "extra_forbidden"),
        ({"augment": ["flip", {"rotat": 3}]}, ("augment", 1, "rotat"), "step-unknown"),
        ({"augment": [{"rotate": 900}]}, ("augment", 0, "rotate"), "less_than_equal"),
        ({"augment": [{"rotate": {"degrees": 900}}]}, ("augment", 0, "rotate", "degrees"), "less_than_equal"),
        ({"max_pixels": 10**9}, ("max_pixels",), "less_than_equal"),
        ({"max_pixels": 0}, ("max_pixels",), "greater_than_equal"),
        ({"sizes": 3}, ("sizes",), "extra_forbidden"),
    ],
)
def test_mistakes_are_addressed(written, where, kind):
    with pytest.raises(ValidationError) as raised:
        ImageInput.model_validate(written)
    (error,) = raised.value.errors()
    assert (error["loc"], error["type"]) == (where, kind)


def test_the_json_schema_knows_the_shorthands():
    schema = json.dumps(ImageInput.model_json_schema())
    for word in ('"enum": ["flip", ', '"rotate": {"anyOf": [', '"enum": ["none", "median"'):
        assert word in schema


# fitting


def test_statistics_are_numpys_and_do_not_depend_on_the_order():
    arrays = [array.transpose(2, 0, 1) for array in made(5)]
    found = measured(arrays, grayscale=False)
    pixels = np.stack(arrays) / 255
    assert np.allclose(found.mean, pixels.mean((0, 2, 3))) and np.allclose(found.std, pixels.std((0, 2, 3)))
    assert found == measured(arrays[::-1], grayscale=False)
    grey = measured(iter(arrays), grayscale=True)
    levels = np.tensordot(np.stack(arrays) / 255, [0.299, 0.587, 0.114], (1, 0))
    assert np.allclose(grey.mean, levels.mean()) and np.allclose(grey.std, levels.std())


def test_equal_pictures_do_not_divide_by_zero():
    assert measured([np.full((1, 2, 2), 7, np.uint8)], grayscale=False) == Statistics(mean=(7 / 255,), std=(1 / 255,))


def test_large_pictures_are_summed_exactly():
    """Half black, half white: of 200,000 pixels the sum of the squares is above 2**32."""
    stripes = np.zeros((3, 400, 500), np.uint8)
    stripes[:, :200] = 255
    assert measured([stripes], grayscale=False) == Statistics(mean=(0.5,) * 3, std=(0.5,) * 3)


def test_nothing_to_fit_to():
    with pytest.raises(DataError) as raised:
        ImageInput(size=8, resize="pad", channels=3).fit([])
    assert raised.value.code == "inputs-unseen"


@pytest.mark.parametrize(
    ("standardise", "grayscale", "mean", "std"),
    [
        ("backbone", False, IMAGENET.mean, IMAGENET.std),
        ("backbone", True, (0.4586,), (0.2262,)),
        ("none", False, (0, 0, 0), (1, 1, 1)),
        ({"mean": [0.5], "std": [0.25]}, False, (0.5,) * 3, (0.25,) * 3),
        ({"mean": [0.5], "std": [0.25]}, True, (0.5,), (0.25,)),
    ],
)
def test_given_statistics(standardise, grayscale, mean, std):
    fitted = ImageInput(size=8, resize="pad", channels=3, grayscale=grayscale, standardise=standardise).fit([])
    assert np.allclose(fitted.statistics.mean, mean, atol=1e-3) and np.allclose(fitted.statistics.std, std, atol=1e-3)
    assert fitted.gives == TensorSpec(("channels", "height", "width"), (1 if grayscale else 3, 8, 8), "float32")


def test_grayscale_of_grey_pictures_is_nothing():
    settled = ImageInput(size=8, resize="pad", channels=1, grayscale=True)
    fitted = settled.fit([settled.read(array) for array in made(2, mode="L")])
    assert not fitted.grayscale and fitted.gives.shape == (1, 8, 8)


def test_training_pixels_have_mean_0_and_std_1_in_the_network():
    import torch

    settled = ImageInput(size=16, resize="stretch", channels=3, grayscale=True)
    arrays = [settled.read(array) for array in made(6)]
    fitted = settled.fit(arrays)
    answer = fitted.module()(torch.from_numpy(np.stack(arrays)))
    assert answer.dtype == torch.float32 and tuple(answer.shape) == (6, *fitted.gives.shape)
    assert abs(float(answer.mean())) < 1e-4 and abs(float(answer.std(unbiased=False)) - 1) < 1e-3
    floats = fitted.module()(torch.from_numpy(np.stack(arrays)).float())
    assert torch.equal(answer, floats)


def test_the_fitted_side_comes_back_from_json():
    settled = ImageInput(denoise={"gaussian": 0.7}).resolve(made(3))
    fitted = settled.fit([settled.read(array) for array in made(3)])
    again = TypeAdapter(AnyPreprocessor).validate_json(fitted.model_dump_json())
    assert again == fitted and isinstance(again, ImagePreprocessor)
    assert TypeAdapter(AnyInput).validate_json(settled.model_dump_json()) == settled
    assert json.loads(fitted.model_dump_json())["decoder"].startswith("Pillow ")
    assert INPUTS[0] is ImageInput


def test_a_batch_is_collated():
    settled = ImageInput(size=8).resolve(made(2))
    fitted = settled.fit([settled.read(array) for array in made(2)])
    batch = collate({"picture": fitted}, {"picture": [fitted.encode(array) for array in made(2)]})
    assert list(batch) == ["picture"] and batch["picture"].shape == (2, 3, 8, 8)


# the contract


@pytest.mark.parametrize("given", [ImageInput(size=12, grayscale=True, denoise="median"), ImageInput(resize="crop")])
def test_the_contract_is_kept(given):
    check_input(given, made(3, width=20, height=16))


class Forgetful(ImageInput):
    """Breaks one promise."""

    def is_alike(self, one: object, other: object) -> bool:
        return False


class Fragile(ImageInput):
    """Breaks another one."""

    def read(self, value: object) -> np.ndarray:
        return super().read(value) if isinstance(value, np.ndarray) else np.zeros(int(value))


@pytest.mark.parametrize(("member", "rule"), [(Forgetful, "like itself"), (Fragile, "a hostile value that is read")])
def test_a_broken_contract_is_found(member, rule):
    with pytest.raises(CheckFailed, match=rule):
        check_input(member(), made(2))


# the room


def test_the_texts_are_complete_in_both_languages():
    from string import Formatter

    def shape(lang: str) -> dict[str, dict[str, set[str]]]:
        import tomllib
        from importlib.resources import files

        texts = tomllib.loads((files("flambeau.messages") / lang / "inputs.toml").read_text(encoding="utf-8"))
        return {
            key: {part: {name for _, name, _, _ in Formatter().parse(text) if name} for part, text in parts.items()} for key, parts in texts.items()
        }

    assert shape("en") == shape("zh")
    assert all({"what", "fix"} <= set(parts) for key, parts in shape("en").items() if not key.startswith("text-"))  # those are words, not errors


def test_mistakes_are_told_in_chinese(monkeypatch):
    monkeypatch.setenv("FLAMBEAU_LANG", "zh")
    with pytest.raises(DataError, match="内容为空") as raised:
        ImageInput(size=8, resize="pad", channels=3).read(b"")
    assert raised.value.fix != messages.catalogue("en")["image-empty"]["fix"]


def test_the_host_side_needs_no_torch():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np; from flambeau.inputs.union import INPUTS; from flambeau.inputs import contract\n"
        "i = INPUTS[0]().resolve([np.zeros((9, 9, 3), np.uint8)]); p = i.fit([i.read(np.eye(9))]); print(p.encode(np.eye(9)).shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "(3, 9, 9)", done.stderr
