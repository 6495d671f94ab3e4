"""Plain English: words and turns of phrase that a reader stumbles over stand nowhere in the tree, names included."""

import re
import subprocess
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.repository import ROOT

# Each with what is written instead.
STUMBLED_OVER = {
    r"\banew\b": "again, rebuilt",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\bsurely\b": "significantly",
    r"\blook(s|ed|ing)? at\b": "check, read",
    r"\bin vain\b": "what happened",
    # "as of which date" asks for a date.
    r"(?<!as )\bof (which|whom)\b": "a sentence of its own",
    r"(?<!here )\b(is|are) no (?!longer\b|(more|less|better|larger) than\b)[a-z]+": "is not a",
}
SUFFIXES = {".py", ".md", ".sql", ".yml", ".toml", ".example"}
# What stands between two words: a name's underscore, or the end of a line with the marks of the next one's comment.
BETWEEN_WORDS = re.compile(r"_|[ \t]*\n[ \t]*(?:#|--|>|[-*] )?[ \t]*")


def stumbles(text: str, phrases: Mapping[str, str]) -> Iterator[tuple[int, str, str]]:
    """Line, phrase and what to write instead, of each phrase; a name's words count, and a phrase may go over lines."""
    words = BETWEEN_WORDS.sub(" ", text)
    # Where each line begins in the joined text.
    shorter, begins = 0, [0]
    for between in BETWEEN_WORDS.finditer(text):
        shorter += len(between.group()) - 1
        begins += [between.end() - shorter] * between.group().count("\n")
    for phrase, instead in phrases.items():
        for match in re.finditer(phrase, words, re.IGNORECASE):
            yield bisect_right(begins, match.start()), match.group(), instead


def test_a_phrase_is_found_in_a_name_over_two_lines_and_in_capitals() -> None:
    text = "first\n\n# Fluffy cats\ndef test_fluffy_cats():\n    # One is\n    # no other, as of\n    # which date.\n"
    found = stumbles(text, STUMBLED_OVER | {r"\bfluffy cats\b": "cats"})
    assert sorted((line, phrase) for line, phrase, _ in found) == [
        (3, "Fluffy cats"),
        (4, "fluffy cats"),
        (5, "is no other"),
    ]


def test_nobody_stumbles_over_a_word() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    found = []
    for path in (ROOT / name for name in tracked if Path(name).suffix in SUFFIXES):
        if path.exists() and path != Path(__file__):
            found += [
                f"{path.relative_to(ROOT)}:{line}: {phrase!r}: {instead}"
                for line, phrase, instead in stumbles(path.read_text("utf-8"), STUMBLED_OVER)
            ]
    assert not found, "\n".join(found)
