"""Markdown for asset metadata and pages on the terminal: what is data in it shows as it is."""

import re

# What Markdown reads as something else; an underscore inside a word is none of it.
_SPECIAL = re.compile(r"[\\`*\[\]<>|#~&!]|(?<![^\W_])_|_(?![^\W_])")


def as_is(name: str) -> str:
    """A name as Markdown that shows it as it is, in one line: in a cell of a table, a heading, the text of an image."""
    return _SPECIAL.sub(r"\\\g<0>", " ".join(name.split()))
