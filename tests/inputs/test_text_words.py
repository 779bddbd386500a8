"""Cutting texts into words, the lists of words, the vocabulary, languages, likeness."""

from __future__ import annotations

import os
import time
from collections import Counter

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from flambeau.errors import DataError
from flambeau.inputs.words.cleaning import Cleaning
from flambeau.inputs.words.language import detect
from flambeau.inputs.words.likeness import fingerprint, is_alike
from flambeau.inputs.words.lists import cleaned, stop_words_of, words_in
from flambeau.inputs.words.raw import cut, raw_text
from flambeau.inputs.words.recognition import is_text, suited_length
from flambeau.inputs.words.segmentation import segmented
from flambeau.inputs.words.vectors import read_vectors
from flambeau.inputs.words.vocabulary import FIRST, NOTHING, UNKNOWN, Vocabulary, counted, shortened

SENTENCES = ["the cat sat on the mat", "the dog sat", "a cat and a dog", "the mat"]

# raw values


def test_what_holds_a_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfwords\r\nhere")
    assert raw_text("as it is", 100, "head") == "as it is"
    assert raw_text("你好".encode(), 100, "head") == "你好"
    assert raw_text(path, 100, "head") == "words\r\nhere"


@pytest.mark.parametrize(
    ("value", "code"), [((), "text-kind"), (3.5, "text-kind"), (b"\xff\xfe", "text-encoding"), ("a/none.txt", "file-missing"), (".", "text-file")]
)
def test_what_does_not(value, code, tmp_path):
    place = tmp_path / value if code.startswith("file") or code == "text-file" else value
    with pytest.raises(DataError) as raised:
        raw_text(place, 100, "head")
    assert raised.value.code == code


@pytest.mark.parametrize("value", [None, float("nan"), ""])
def test_no_text_is_an_empty_one(value):
    assert raw_text(value, 100, "head") == ""


@pytest.mark.parametrize(("keep", "expected"), [("head", "01234"), ("tail", "56789"), ("both", "01\n89")])
def test_long_texts_are_cut(keep, expected):
    assert cut("0123456789", 5, keep) == expected and cut("01234", 5, keep) == "01234"


# segmentation


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("don't stop, it's 3.5 or 1,000 mp3s!", ["don't", "stop", ",", "it's", "3.5", "or", "1,000", "mp3s", "!"]),
        ("我买了iphone手机。", ["我", "买", "了", "iphone", "手", "机", "。"]),
        ("naïve cafe\u0301 snake_case", ["naïve", "cafe\u0301", "snake", "_", "case"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("שלום עולם", ["שלום", "עולם"]),
        ("👍🏽 ok 👨\u200d👩\u200d👧 ❤\ufe0f", ["👍🏽", "ok", "👨\u200d👩\u200d👧", "❤\ufe0f"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("", []),
    ],
)
def test_words(text, words):
    assert segmented(text, "words") == words


def test_characters_leave_white_space_out():
    assert segmented("好 a b", "characters") == ["好", "a", "b"]


def test_chinese_words_are_those_of_jieba_and_of_the_users_dictionary():
    text = "小熊宝宝我觉得孩子不喜欢"
    plain = segmented(text, "chinese")
    assert "孩子" in plain and "喜欢" in "".join(plain) and "小熊宝宝" not in plain
    assert segmented(text, "chinese", ("小熊宝宝",))[0] == "小熊宝宝"
    assert segmented(text, "chinese") == plain, "a dictionary stays with its input"
    assert "".join(segmented("他 说 hello world 3.5元", "chinese")) == "他说helloworld3.5元"


@pytest.mark.parametrize("segment", ["words", "characters", "chinese", "subwords"])
@pytest.mark.parametrize("piece", ["a", "a'", "1.", "é", "中", "👍", "\u200d", "ﷺ", "_"])
def test_one_endless_word_takes_no_endless_time(segment, piece):
    start = time.process_time()
    segmented(piece * (100_000 // len(piece)), segment)
    assert time.process_time() - start < 2.5


# lists


def test_lists_of_words(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("\ufeff# a remark\n云计算 5 n\n\nＡpple\napple\n", encoding="utf-8")
    assert words_in(path) == ("云计算", "Ａpple", "apple")
    assert cleaned(words_in(path), Cleaning(case="lower")) == ("云计算", "apple")
    for content, code in ((b"\xff\xff", "word-list"), (None, "file-missing")):
        path.unlink() if content is None else path.write_bytes(content)
        with pytest.raises(DataError) as raised:
            words_in(path)
        assert raised.value.code == code


def test_a_pipe_is_no_list_of_words(tmp_path):
    """Nobody writes into it: to open it would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(DataError) as raised:
            words_in(path)
        assert (raised.value.code, raised.value.facts["reason"]) == ("word-list", "not a file")
        with pytest.raises(DataError, match="not a file"):
            read_vectors(path, ("a",))


def test_stop_words():
    assert {"the", "not"} <= set(stop_words_of("en")) and "的" in stop_words_of("zh")
    with pytest.raises(DataError, match="stop-words-language"):
        stop_words_of("qq")


# vocabulary


@pytest.mark.parametrize("ngrams", [1, 2, 3])
def test_the_vocabulary_counts_as_scikit_learn_does(ngrams):
    referee = CountVectorizer(ngram_range=(1, ngrams), token_pattern=r"\S+").fit(SENTENCES)
    counts = Counter(dict(zip(referee.get_feature_names_out(), referee.transform(SENTENCES).sum(0).A1.tolist(), strict=True)))
    ours = counted([text.split() for text in SENTENCES], 1000, 2, ngrams, 0, " ")
    assert set(ours.words) == {word for word, count in counts.items() if count >= 2}
    assert ours.words[0] == "the" and [counts[word] for word in ours.words] == sorted((counts[word] for word in ours.words), reverse=True)


def test_size_and_ties():
    assert counted([["b", "a", "c", "c"]], 2, 1, 1, 0, " ").words == ("c", "a")
    assert counted([["x" * 101, "y"]], 9, 1, 1, 0, " ").words == ("y",)


def test_ids():
    vocabulary = Vocabulary(words=("a", "b", "a b"), ngrams=2)
    assert vocabulary.ids(["a", "b", "z"]).tolist() == [2, 4, 3, UNKNOWN]
    assert vocabulary.ids([]).tolist() == [UNKNOWN]
    assert vocabulary.shown(vocabulary.ids(["a", "b", "z"])) == f"a b {NOTHING}"
    assert vocabulary.size == 5


def test_buckets_hold_every_pair():
    vocabulary = counted([list("abab")], 9, 1, 2, 16, "")
    ids = vocabulary.ids(list("abz"))
    assert vocabulary.size == FIRST + 2 + 16 and len(ids) == 5
    assert (ids[[1, 3]] >= FIRST + 2).all() and ids.max() < vocabulary.size
    assert vocabulary.shown(ids) == f"ab{NOTHING}"


@pytest.mark.parametrize(("keep", "kept"), [("head", [0, 1, 2]), ("tail", [7, 8, 9]), ("both", [0, 1, 9])])
def test_shortened(keep, kept):
    assert list(shortened(range(10), 3, keep)) == kept and list(shortened(range(3), 3, keep)) == [0, 1, 2]


# recognition


@pytest.mark.parametrize(
    ("texts", "language"),
    [
        (["这家店的服务态度很好，下次还会来 iPhone"], "zh"),
        (["この本はとても面白かったです"], "ja"),
        (["이 영화는 정말 재미있었다"], "ko"),
        (["The film is not as good as the book, but it was fun to watch."], "en"),
        (["Der Film ist nicht so gut wie das Buch, und ich habe mich gelangweilt."], "de"),
        (["Le film n'est pas aussi bon que le livre, et je me suis ennuyé dans la salle."], "fr"),
        (["La película no es tan buena como el libro, pero está muy bien por los actores."], "es"),
        (["Это не так хорошо, как я думал, но всё же"], "ru"),
        (["هذا ليس جيدا ولكن في البيت من الناس"], "ar"),
        (["Το βιβλίο είναι καλό"], "el"),
        (["12345 !!!"], None),
        (["xkcd qwerty"], None),
        ([], None),
    ],
)
def test_languages(texts, language):
    assert detect(texts) == language


@pytest.mark.parametrize(
    ("values", "found"),
    [(["a b", "好"], True), (["1", "2"], False), (["a"] * 9 + ["1"], True), (["a", None, ""], True), ([], False), ([None], False), ([1.5], False)],
)
def test_recognising(values, found):
    assert is_text(values) is found


def test_paths_of_text_files_are_recognised(tmp_path):
    assert is_text([tmp_path / "a.txt", tmp_path / "b.MD"]) and not is_text([tmp_path / "a.jpg"])


def test_the_length_covers_nearly_all():
    assert suited_length([10] * 98 + [1000] * 2) == 16 or suited_length([10] * 99 + [1000]) == 16
    assert suited_length([1]) == 8 and suited_length([10_000]) == 512


# likeness


def as_bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)


REVIEW = "性价比较高，外观不错，性能稳定，噪音不大，对移动硬盘支持好，驱动程序、使用说明放在了光盘中。电池有延保卡，很满意。"


def test_near_duplicates_are_found():
    near = "配货快，" + REVIEW
    one, other = as_bytes(REVIEW), as_bytes(near)
    assert is_alike(one, other) and (fingerprint(one) ^ fingerprint(other)).bit_count() <= 12
    assert not is_alike(one, as_bytes("The film is not as good as the book, but it was fun to watch it with friends."))
    assert fingerprint(one) == fingerprint(one.copy())


def test_likeness_of_nothing_and_of_much():
    assert not is_alike(as_bytes("ab"), as_bytes("ac")) and is_alike(as_bytes(""), as_bytes(""))
    start = time.process_time()
    fingerprint(as_bytes("word " * 2_000_000))
    assert time.process_time() - start < 0.5
