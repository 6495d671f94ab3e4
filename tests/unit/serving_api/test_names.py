"""How names become words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving_api.contract import joined_words, whole_name, words
from serving_api.contract.names import LONGEST_WORD


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("The Sound of SILENCE", "the sound of silence"),
        ("Beyoncé", "beyonce"),
        ("Beyonce\u0301", "beyonce"),
        ("Motörhead", "motorhead"),
        ("Ágætis byrjun", "agaetis byrjun"),
        ("Straße", "strasse"),
        ("ŁONA", "lona"),
        ("İstanbul", "istanbul"),
        ("Don't / Don’t", "dont dont"),
        ("Simon & Garfunkel", "simon and garfunkel"),
        ("AC/DC", "ac dc"),
        ("R.E.M. and S.O.S", "rem and sos"),
        ("St. Vincent, J. Cole", "st vincent j cole"),
        ("snake_case", "snake case"),
        ("ＦＵＬＬ ｗｉｄｔｈ", "full width"),
        ("٢٠٢٠", "2020"),
        ("Ёлка", "елка"),
        ("Ὀδυσσεύς", "οδυσσευσ"),
        ("أُمّ كلثوم", "ام كلثوم"),
        ("فيروزة", "فيروزه"),
        ("宇多田ヒカル", "宇 多 田 ヒ カ ル"),
        ("ﾋｶﾙ", "ヒ カ ル"),
        ("हिन्दी", "हिन्दी"),
        ("!!!", "!!!"),
        ("÷ (Deluxe)", "deluxe"),
        (" \t\x00\u200b", ""),
        ("", ""),
    ],
)
def test_a_name_is_compared_by_these_words(name: str, expected: str) -> None:
    assert words(name) == expected.split()


def test_voiced_kana_are_other_letters_and_a_syllable_begins_with_what_is_typed_of_it() -> None:
    assert words("が") != words("か")
    assert words("방탄")[0].startswith(words("바")[0])
    assert words("방탄")[0].startswith(words("방ㅌ")[0][:3])


def test_a_whole_name_is_the_same_in_any_order_and_no_other() -> None:
    assert whole_name(["b", "a"]) == whole_name(["a", "b"])
    assert whole_name(["ab"]) != whole_name(["a", "b"])
    assert joined_words(["ac", "dc"]) == "acdc"


@given(st.text(max_size=300))
def test_words_of_any_text_are_short_and_stay_what_they_are(text: str) -> None:
    found = words(text)
    assert all(0 < len(word) <= LONGEST_WORD and not word.isspace() for word in found)
    assert words(text.upper().lower()) == words(text.upper())
    # What the index has is found by what it has.
    assert words(" ".join(found)) == found
