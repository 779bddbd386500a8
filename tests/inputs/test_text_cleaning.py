"""What cleaning makes of a text, and that nothing takes long or fails."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flambeau.inputs.words.cleaning import LINK, Cleaning

clean = Cleaning()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("", ""),
        ("  a\t\tb\n c\u3000d ", "a b c d"),
        ("<p>Good&nbsp;<b>day</b>!<br/></p>", "good day !"),
        ("a < b and c > d, i <3 you", "a < b and c > d, i <3 you"),
        ("<!-- hidden --> seen <script>var x = '<b>';</script>too<STYLE>p {}</STYLE>", "seen too"),
        ("an end that never comes: <!-- seen", "an end that never comes: <!-- seen"),
        ("&lt;b&gt; &amp;amp; &#x4f60;&#22909;", "<b> &amp; 你好"),
        ("see https://a.example/b?c=d#e, or www.x.org。好", f"see {LINK} or {LINK} 。好"),
        ("网址http://abc.cn好", f"网址 {LINK} 好"),
        ("ＡＢＣ１２３，！（ｘ）￥", "abc123,!(x)¥"),
        ("ﾊﾝｶｸ ﾀﾞ", "ハンカク ダ"),
        ("cafe\u0301", "café"),
        ("①ﬁ", "①ﬁ"),
        ("ÄÖ İ", "äö i̇"),
        ("nul\0 bell\x07 bom\ufeff zero\u200bwidth \u202eturned\u202c", "nul bell bom zerowidth turned"),
        ("lone \ud800 and paired \ud83d\ude00", "lone \ufffd and paired 😀"),
        ("👨\u200d👩\u200d👧 می\u200cخواهم", "👨\u200d👩\u200d👧 می\u200cخواهم"),
        ("&#xD800;x", "\ufffdx"),
    ],
)
def test_cleaned(raw, expected):
    assert clean(raw) == expected


@pytest.mark.parametrize(
    ("settings", "raw", "expected"),
    [
        ({"html": False}, "<b>x</b> &amp;", "<b>x</b> &amp;"),
        ({"links": "keep"}, "HTTP://A.b", "http://a.b"),
        ({"links": "remove"}, "a http://b.c d", "a d"),
        ({"width": False, "case": "keep"}, "Ａ，", "Ａ，"),
        ({"normal_form": "NFKC"}, "①ﬁ", "1fi"),
        ({"normal_form": "NFD"}, "é", "e\u0301"),
        ({"normal_form": "none"}, "e\u0301", "e\u0301"),
        ({"case": "keep"}, "Abc", "Abc"),
        ({"numbers": "mark"}, "3 of 1,000.50 in 2024", "0 of 0 in 0"),
        ({"numbers": "remove"}, "3 of ٣", "of"),
    ],
)
def test_settings(settings, raw, expected):
    assert Cleaning(**settings)(raw) == expected


def test_width_is_nfkc_of_the_wide_and_narrow_forms_alone():
    forms = [chr(code) for code in range(0xFF01, 0xFFEF) if unicodedata.decomposition(chr(code)).startswith(("<wide>", "<narrow>"))]
    assert len(forms) > 220
    plain = Cleaning(case="keep", html=False, normal_form="NFC")
    for form in forms:
        usual = unicodedata.normalize("NFC", chr(int(unicodedata.decomposition(form).split()[1], 16)))
        assert plain(form) == usual.strip() or form in "\uffa0"


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec=None), max_size=80))
def test_any_text_is_cleaned_and_can_be_written(text):
    cleaned = clean(text)
    assert cleaned.encode().decode() == cleaned
    assert "  " not in cleaned and cleaned == cleaned.strip()


@pytest.mark.parametrize(
    "piece", ["<", "<a", "<!--", "--><!--", "<script>", "&", "&#", "www.", "http://", "1.", "1,1", "\ufeff", "\ud800", "a'", "İ"]
)
def test_the_time_grows_with_the_length_alone(piece):
    text = piece * (1_000_000 // len(piece))
    start = time.process_time()
    clean(text)
    assert time.process_time() - start < 2.5


def test_a_heap_of_marks_costs_no_more_than_other_text():
    heap = "a" + "\u0301\u0316" * 49_000
    began = time.process_time()
    cleaned = Cleaning()(heap)
    assert time.process_time() - began < 1
    assert len(cleaned) <= 31
    thai = "ที่นี่ " * 400
    assert Cleaning()(thai) == " ".join(unicodedata.normalize("NFC", thai).split())
