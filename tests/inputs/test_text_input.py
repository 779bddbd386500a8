"""The text input from the recipe to the fitted preprocessor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from flambeau.errors import DataError
from flambeau.inputs.augment import Draw
from flambeau.inputs.text import TextInput, TextPreprocessor
from flambeau.inputs.union import AnyPreprocessor
from flambeau.inputs.words.subwords import Subwords, read_tokenizer, trained
from flambeau.inputs.words.vectors import read_vectors
from flambeau.inputs.words.vocabulary import UNKNOWN
from flambeau.recipe import parse
from flambeau.types import MASK, Batch

ENGLISH = ["The film is not as good as the book, but it was fun.", "I have to say that the book is very good.", "It was not good at all!"] * 4
CHINESE = ["这家店的服务态度很好，下次还会来", "质量不好，很失望", "很好很好，我喜欢"] * 4


def fitted(texts: list[str], **settings: object) -> TextPreprocessor:
    settled = TextInput.model_validate(settings).resolve(texts)
    return settled.fit([settled.read(text) for text in texts])


# resolving


def test_what_is_open_follows_the_language():
    english, chinese = TextInput().resolve(ENGLISH), TextInput().resolve(CHINESE)
    assert (english.language, english.segment, english.clean.case) == ("en", "words", "lower")
    assert (chinese.language, chinese.segment, chinese.max_length) == ("zh", "characters", 16)
    assert TextInput(segment="words", language="xx").resolve(CHINESE).segment == "words"


def test_unreadable_ones_are_passed_over():
    assert TextInput().resolve([None, 3.5, b"\xff", *ENGLISH]).language == "en"
    with pytest.raises(DataError, match="text-kind"):
        TextInput().resolve([3.5])


def test_files_are_relative_to_the_recipe_and_their_words_are_copied(tmp_path):
    (tmp_path / "words.txt").write_text("服务态度\n", encoding="utf-8")
    (tmp_path / "stop.txt").write_text("的\n", encoding="utf-8")
    tree = {"inputs": {"text": {"type": "text", "segment": "chinese", "dictionary": "words.txt", "stop_words": "stop.txt"}}}
    given = parse(tree, file=tmp_path / "recipe.yaml").inputs["text"]
    assert isinstance(given, TextInput) and given.dictionary == tmp_path / "words.txt"
    settled = given.resolve(CHINESE)
    preprocessor = settled.fit([settled.read(text) for text in CHINESE])
    for path in tmp_path.iterdir():
        path.unlink()
    again = TypeAdapter(AnyPreprocessor).validate_json(preprocessor.model_dump_json())
    assert bytes(again.read(CHINESE[0])).decode().split()[:3] == ["这家", "店", "服务态度"]
    assert type(given).model_validate_json(settled.model_dump_json()) == settled


def test_a_copy_with_other_words_reads_with_them():
    settled = TextInput().resolve(ENGLISH)
    before = bytes(settled.read("the book"))
    changed = settled.model_copy(update={"stop_words": ("the",)})
    assert bytes(changed.read("the book")) == b"book" and before == b"the book"
    assert changed.reading_key() != settled.reading_key()


@pytest.mark.parametrize("settings", [{"segment": "letters"}, {"ngrams": 9}, {"clean": {"htm": True}}, {"max_length": 0}, {"augment": ["drip"]}])
def test_mistakes_are_refused(settings):
    with pytest.raises(ValidationError):
        TextInput.model_validate(settings)


# encoding


def test_ids_and_what_the_network_gets():
    preprocessor = fitted(ENGLISH)
    ids = preprocessor.encode("the film was abominable")
    assert ids.tolist()[-1] == UNKNOWN and len(ids) == 4 and ids.dtype == np.int64
    assert preprocessor.excerpt(ids) == "the film was []"
    assert preprocessor.spec.categories == 2 + len(preprocessor.vocabulary.words)
    batch = preprocessor.collate([ids, preprocessor.encode("")])
    assert batch[""].tolist()[1] == [UNKNOWN, 0, 0, 0] and batch[MASK].tolist()[1] == [True, False, False, False]


def test_the_content_of_padding_never_matters():
    module = fitted(ENGLISH).module()
    mask = torch.tensor([[True, True, False]])
    given = [module(torch.tensor([[2, 3, padding]]), mask)[0] for padding in (0, 1, 7)]
    assert all(torch.equal(one, given[0]) for one in given)


def test_str_bytes_and_file_are_one(tmp_path):
    preprocessor = fitted(CHINESE)
    path = tmp_path / "text.txt"
    path.write_text(CHINESE[0], encoding="utf-8")
    assert all(np.array_equal(preprocessor.encode(value), preprocessor.encode(CHINESE[0])) for value in (CHINESE[0].encode(), path))


def test_stop_words_are_off_by_default_and_left_out_on_demand():
    assert "not" in fitted(ENGLISH).vocabulary.words
    without = fitted(ENGLISH, stop_words="en")
    assert "not" not in without.vocabulary.words and "book" in without.vocabulary.words


def test_blank_and_alike():
    settled = TextInput(stop_words=["the"]).resolve(ENGLISH)
    assert settled.is_blank(settled.read("<br> \0\n The ")) and not settled.is_blank(settled.read("👍"))
    assert settled.is_alike(settled.read("The  BOOK is good, I have to say."), settled.read("book is good, i have to say."))


# subwords


@pytest.mark.parametrize("tokenizer", ["bpe", "unigram"])
def test_subwords_are_trained_and_travel(tokenizer):
    preprocessor = fitted(ENGLISH, segment="subwords", tokenizer=tokenizer, vocabulary=80)
    again = TypeAdapter(AnyPreprocessor).validate_json(preprocessor.model_dump_json())
    ids = again.encode("the good film")
    assert np.array_equal(ids, preprocessor.encode("the good film")) and again.excerpt(ids) == "the good film"
    assert ids.min() >= 2 and ids.max() < again.spec.categories <= 100
    assert again.encode("").tolist() == [UNKNOWN] and UNKNOWN in again.encode("狗")


def test_a_tokenizer_from_a_file_keeps_its_special_tokens(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "The": 4, "film": 5, "a": 6}
    made = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    made.enable_padding(length=9)
    made.save(str(tmp_path / "tokenizer.json"))
    preprocessor = fitted(ENGLISH, segment="subwords", tokenizer=str(tmp_path / "tokenizer.json"), max_length=4)
    assert preprocessor.encode("The film was long").tolist() == [2, 4, 5, 3]
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match="tokenizer-damaged"):
        fitted(ENGLISH, segment="subwords", tokenizer=str(tmp_path / "tokenizer.json"))


def test_a_pipe_is_no_tokenizer(tmp_path):
    """Nobody writes into it: to open it would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="tokenizer-damaged") as raised:
        read_tokenizer(tmp_path / "pipe")
    assert raised.value.facts["reason"] == "not a file"


def test_a_tokenizer_that_makes_no_sense_is_an_error():
    """Its form is right, but the library panics on it, which is no Exception."""
    content = json.loads(trained(ENGLISH, "bpe", 60).tokenizer)
    content["model"]["continuing_subword_prefix"] = "x" * 10
    with pytest.raises(DataError, match="tokenizer-damaged"):
        Subwords(tokenizer=json.dumps(content)).ids("The film", 9, "end")


# vectors


def test_vectors_become_the_start_of_an_embedding(tmp_path):
    path = tmp_path / "some.vec"
    path.write_text("3 2\nbook 1.5 -2\nunheard 0 0\nfilm 0.25 1e-3\nbook 9 9\n", encoding="utf-8")
    settled = TextInput(vectors=path).resolve(ENGLISH)
    preprocessor = settled.fit([settled.read(text) for text in ENGLISH])
    matrix, notice = settled.starting_vectors(preprocessor)
    assert matrix.shape == (preprocessor.spec.categories, 2) and matrix.dtype == np.float32
    place = preprocessor.encode("book film")
    assert matrix[place].tolist() == [[1.5, -2], [0.25, np.float32(1e-3)]] and not matrix[0].any() and matrix[1].any()
    assert (notice.facts["found"], notice.facts["words"]) == (2, len(preprocessor.vocabulary.words)) and "the" in str(notice.facts["missing"])


@pytest.mark.parametrize(
    ("content", "code"),
    [("book 1 2\nfilm 1\n", "vectors-line"), ("book x y\n", "vectors-number"), ("book nan\n", "vectors-number"), ("zebra 1 2\n", "vectors-none"),
     ("", "vectors-none"), ("x" * 200_000, "vectors-number"), (None, "file-missing")],
)  # fmt: skip
def test_what_is_no_vectors(content, code, tmp_path):
    path = tmp_path / "some.vec"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError) as raised:
        read_vectors(path, ["book", "film"])
    assert raised.value.code == code


# augmentation


def varied(steps: list[object], lengths: list[int], extra: int = 0, epoch: int = 0) -> tuple[list[list[int]], Batch]:
    settled = TextInput(augment=steps).resolve(ENGLISH)
    vary = settled.augmentation(settled.spec)
    longest = max(lengths) + extra
    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
    ids = (torch.arange(longest) + 10) * mask
    batch = vary(Batch({"text": ids, "text" + MASK: mask}, None), Draw(0, epoch, np.arange(len(lengths)), lambda targets: targets))
    values, kept = batch.inputs["text"], batch.inputs["text" + MASK]
    assert values.dtype == torch.int64 and not values[~kept].any()
    return [row[real].tolist() for row, real in zip(values, kept, strict=True)], batch


@pytest.mark.parametrize("steps", [["drop"], [{"delete": 0.3}], [{"swap": 0.5}], ["drop", "delete", "swap"]])
def test_variation_depends_on_the_draw_alone(steps):
    rows, _ = varied(steps, [40, 25, 1])
    assert rows == varied(steps, [40, 25, 1], extra=7)[0] != varied(steps, [40, 25, 1], epoch=1)[0]
    assert all(rows)


def test_what_the_steps_do():
    original = list(range(10, 410))
    dropped = varied([{"drop": 0.2}], [400])[0][0]
    assert 40 < dropped.count(UNKNOWN) < 120 and [word for word in dropped if word != UNKNOWN] == [
        w for w, d in zip(original, dropped, strict=True) if w == d
    ]
    deleted = varied([{"delete": 0.2}], [400])[0][0]
    assert 280 < len(deleted) < 360 and deleted == sorted(deleted)
    swapped = varied([{"swap": 0.2}], [400])[0][0]
    assert sorted(swapped) == original and 60 < sum(one != other for one, other in zip(swapped, original, strict=True)) < 240
    assert max(abs(one - other) for one, other in zip(swapped, original, strict=True)) == 1
    assert varied([{"delete": 0.9}], [1] * 50)[0] == [[10]] * 50


# hostile


@pytest.mark.parametrize(
    "text",
    ["x" * 10_000_000, "中" * 10_000_000, "<" * 10_000_000, "\ud800" * 1_000_000, "\0" * 1_000_000, "👍" * 1_000_000],
    ids=lambda text: text[:1],
)
@pytest.mark.parametrize("segment", ["words", "characters", "chinese", "subwords"])
def test_giants_are_bounded(text, segment):
    preprocessor = fitted(ENGLISH, segment=segment, vocabulary=60)
    start = time.process_time()
    ids = preprocessor.encode(text)
    assert 1 <= len(ids) <= preprocessor.max_length
    assert time.process_time() - start < 2.5


def test_the_base_reads_a_vocabulary_without_the_extra(tmp_path: Path):
    path = tmp_path / "preprocessing.json"
    path.write_text(fitted(CHINESE).model_dump_json(), encoding="utf-8")
    code = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "tokenizers", "rjieba", "stopwordsiso"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
from flambeau.inputs.text import TextPreprocessor
print(TextPreprocessor.model_validate_json(open({str(path)!r}, encoding="utf-8").read()).encode("很好").tolist())
"""
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(printed) == fitted(CHINESE).encode("很好").tolist()
