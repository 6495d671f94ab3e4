"""Which tracks are versions of one recording, and which only have the same title."""

import re

import numpy as np
import numpy.typing as npt
import pandas as pd

from assets.listens import Ints

# What sets one release of a recording apart from another. A remix is another track.
_VERSION = (
    r"\b(?:(?:remaster(?:ed)?|mono|stereo|(?:single|album|radio|extended|original)\s+(?:edit|mix|version)"
    r"|bonus\s+track|deluxe|anniversary|re-?recorded)\b|live(?=\s*(?:$|[)\]]|(?:at|in|from|on|version)\b|\d)))"
)
# "Title (2011 Remaster)", "Title [Live at ...]" or "Title - Remastered 2009", the last one first.
_SUFFIX = re.compile(
    rf"\s*(?:\([^()]*{_VERSION}[^()]*\)|\[[^\[\]]*{_VERSION}[^\[\]]*\]|\s[-\u2013\u2014]\s[^-\u2013\u2014]*{_VERSION}[^-\u2013\u2014]*)\s*$",
    re.IGNORECASE,
)
_MOST_SUFFIXES = 3


def recordings(catalogue: pd.DataFrame) -> npt.NDArray[np.int64]:
    """One number per row, equal for versions of one recording: the same artist, and the same title but for what only
    names a version (remaster, live, mono, single edit ...). Without title or artist a track is its own recording.
    """
    return _numbered(pd.DataFrame({"artist": catalogue["artist_key"], "title": _plain(catalogue["title"])}))


def namesakes(catalogue: pd.DataFrame) -> npt.NDArray[np.int64]:
    """One number per row, equal for the same title but for what only names a version, whoever the artist is: a song
    and its covers. A track without title is nobody's namesake.
    """
    return _numbered(pd.DataFrame({"title": _plain(catalogue["title"])}))


def _plain(titles: "pd.Series[str]") -> "pd.Series[str]":
    """Titles in one case without what names a version; null where nothing is left."""
    title = titles.astype("string").str.strip()
    for _ in range(_MOST_SUFFIXES):
        title = title.str.replace(_SUFFIX, "", regex=True)
    return title.mask(title == "").str.casefold()


def _numbered(named: pd.DataFrame) -> npt.NDArray[np.int64]:
    """One number per row, equal for equal rows; a row with a null has its own."""
    numbers = np.arange(len(named), dtype=np.int64)
    whole = named.notna().all(axis=1).to_numpy(bool)
    if whole.any():
        numbers[whole] = numbers[whole][_first_of_group(named[whole])]
    return numbers


def _first_of_group(frame: pd.DataFrame) -> Ints:
    """Position of the first row that equals each row."""
    group = frame.groupby(list(frame.columns), sort=False).ngroup().to_numpy()
    _, first = np.unique(group, return_index=True)
    return first[group]
