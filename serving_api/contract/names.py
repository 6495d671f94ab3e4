"""How names become words that are compared: those in the search index, and those that somebody types."""

import re
import unicodedata
from collections.abc import Sequence
from hashlib import blake2b

# More of a word tells no two names apart that people would type.
LONGEST_WORD = 32

# What Unicode keeps as letters of their own, and people type as these; of Arabic, final and Persian forms.
_TYPED_AS: dict[int, int | str] = {
    **str.maketrans("øłđðħŋıىةیک", "olddhniيهيك"),
    **{ord(letter): typed for letter, typed in {"þ": "th", "æ": "ae", "œ": "oe", "&": " and "}.items()},
    **{zero + digit: str(digit) for zero in (0x660, 0x6F0) for digit in range(10)},
    # Apostrophes within words, and what stretches Arabic ones.
    **dict.fromkeys(map(ord, "'’‘`´ʻʼـ"), ""),
}
# Voicing marks of kana and viramas tell words apart; other marks are left out by whoever is in a hurry.
_TELLING_MARKS = {8, 9}
_HANGUL = re.compile("[가-힣]")
# S.O.S. is typed SOS.
_INITIALS = re.compile(r"\b(?:\w\.)+\w\b\.?")
# Vowel signs and such, which `re` does not take for letters.
_MARKS = "".join(chr(code) for code in range(0x300, 0x10000) if unicodedata.category(chr(code))[0] == "M")
# Kana and Han do not set words apart, so each of their letters is one.
_LETTER_WORDS = "\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(f"[{_LETTER_WORDS}]|(?:[^\\W_{_LETTER_WORDS}]|[{_MARKS}])+")


def words(name: str) -> list[str]:
    """The words of a name as they are compared: without case, accents or punctuation, none longer than LONGEST_WORD.

    A name of nothing but signs, such as `!!!`, is one word; one of nothing that is seen has none.
    """
    folded = _folded(name)
    found = _WORD.findall(_INITIALS.sub(lambda initials: initials[0].replace(".", ""), folded))
    if not found:
        signs = "".join(sign for sign in folded if unicodedata.category(sign)[0] in "PSN")
        found = [signs] if signs else []
    return [word[:LONGEST_WORD] for word in found]


def joined_words(words: Sequence[str]) -> str:
    """Words written as one: ac dc as acdc."""
    return "".join(words)[:LONGEST_WORD]


def whole_name(words: Sequence[str]) -> int:
    """A number of 64 bits for a whole name, whatever the order of its words."""
    return int.from_bytes(blake2b(" ".join(sorted(words)).encode(), digest_size=8).digest())


def _folded(name: str) -> str:
    if name.isascii():
        return name.lower().translate(_TYPED_AS)
    spelled = unicodedata.normalize("NFKD", name.casefold().translate(_TYPED_AS))
    kept = "".join(
        letter for letter in spelled if not (mark := unicodedata.combining(letter)) or mark in _TELLING_MARKS
    )
    whole = unicodedata.normalize("NFC", kept).casefold().translate(_TYPED_AS)
    # By their parts, so that a syllable is found before it is typed to its end.
    return _HANGUL.sub(lambda syllable: unicodedata.normalize("NFD", syllable[0]), whole)
