"""The commas and brackets of a piece of JSON that stand outside of texts, found without a loop over bytes."""

import numpy as np

_QUOTE, _BACKSLASH = ord('"'), ord("\\")
_IS_TOKEN = np.zeros(256, bool)
_IS_TOKEN[[ord(character) for character in '",[{]}']] = True
_DEPTH_STEPS = np.zeros(256, np.int8)
_DEPTH_STEPS[[ord(character) for character in "[{"]] = 1
_DEPTH_STEPS[[ord(character) for character in "]}"]] = -1


class Tokens:
    """The tokens of a block that begins at a depth, within a text or not.

    Attributes:
        places: where the tokens stand.
        in_text: whether the block ends within a text.
        depth: how many brackets are open at its end.
    """

    def __init__(self, block: np.ndarray, in_text: bool, depth: int) -> None:
        places = np.flatnonzero(_IS_TOKEN[block])
        characters = block[places]
        is_quote = characters == _QUOTE
        quotes = is_quote & ~np.isin(places, _escaped(block))
        within = (np.cumsum(quotes) + in_text) % 2 == 1
        outside = ~within & ~is_quote
        self.places, self._characters = places[outside], characters[outside]
        self._depths = depth + np.cumsum(_DEPTH_STEPS[self._characters], dtype=np.int64)
        self.in_text = bool(within[-1]) if len(within) else in_text
        self.depth = int(self._depths[-1]) if len(self.places) else depth
        self._found: dict[tuple[str, int], np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.places)

    def at(self, place: int) -> int:
        """Return the first token at or after a place; the number of tokens if none is."""
        return int(np.searchsorted(self.places, place))

    def character(self, token: int) -> str:
        """Return which character a token is."""
        return chr(self._characters[token])

    def between(self, characters: str, depth: int, start: int, end: int) -> np.ndarray:
        """Return the tokens from `start` to before `end` that are one of the characters and leave a depth."""
        found = self._of(characters, depth)
        return found[np.searchsorted(found, start) : np.searchsorted(found, end)]

    def first(self, characters: str, depth: int, start: int) -> int:
        """Return the first token from `start` that is one of the characters and leaves a depth.

        Returns:
            The number of tokens if there is none.
        """
        found = self._of(characters, depth)
        position = int(np.searchsorted(found, start))
        return int(found[position]) if position < len(found) else len(self)

    def _of(self, characters: str, depth: int) -> np.ndarray:
        key = characters, depth
        if key not in self._found:
            is_one = np.isin(self._characters, [ord(character) for character in characters])
            self._found[key] = np.flatnonzero(is_one & (self._depths == depth))
        return self._found[key]


def _escaped(block: np.ndarray) -> np.ndarray:
    """Return the places that an odd number of backslashes stands before; a backslash among them does not matter."""
    backslashes = np.flatnonzero(block == _BACKSLASH)
    if not len(backslashes):
        return backslashes
    begins = np.flatnonzero(np.diff(backslashes, prepend=-2) > 1)
    lengths = np.diff(begins, append=len(backslashes))
    is_odd = lengths % 2 == 1
    return np.asarray(backslashes[begins[is_odd]] + lengths[is_odd])
