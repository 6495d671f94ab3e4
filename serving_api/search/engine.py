"""Finds tracks and artists by name in the index of a release."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import tantivy
from tantivy import Query

from serving_api.contract import SearchField, SearchKind, joined_words, whole_name

# What is typed after these only leaves out what was found by them.
MOST_WORDS = 12
# Letters that a word must have for one, and for two of them to be wrong.
ONE_TYPO_FROM = 4
TWO_TYPOS_FROM = 8
MOST_TYPOS = 2
# How a name was found: the whole part of a score.
WHOLE_NAME = 4
WORDS = 3

# So that the most popular name is not taken for one that was found better.
_BELOW_ONE = 0.9999

_MUST = tantivy.Occur.Must
_SHOULD = tantivy.Occur.Should


class Hit(NamedTuple):
    """A track or an artist that was found."""

    kind: SearchKind
    key: int
    score: float


class SearchIndex:
    """An index that is open. Its files may go as soon as it is: what is open stays readable."""

    def __init__(self, folder: Path, names: int) -> None:
        """Open the index in a folder, of so many names.

        Raises ValueError, or OSError, where its files are none of this version of tantivy.
        """
        index = tantivy.Index.open(str(folder))
        # It never changes, so nothing needs to watch its folder.
        index.config_reader("manual")
        self._schema = index.schema
        self._searcher = index.searcher()
        self._names = max(names, 1)

    def find(self, typed: Sequence[str], kind: SearchKind | None, limit: int) -> list[Hit]:
        """What is found by words, as contract.words makes them, best first, at most `limit`; of one kind, or of both.

        First what they are all of the name of; then names that have all the words, where the last one may go on;
        then those that have words like them, first with one letter wrong in each, then with two. Among equals what is
        most popular. Takes milliseconds, and no lock of the interpreter.
        """
        found: dict[int, Hit] = {}
        for quality, query in self._queries(typed):
            if kind is not None:
                only = Query.term_query(self._schema, SearchField.KIND, int(kind))
                query = Query.boolean_query([(_MUST, query), (_MUST, only)])
            for hit, place in self._most_popular(query, quality, limit + len(found)):
                found.setdefault(place, hit)
            if len(found) >= limit:
                break
        return list(found.values())[:limit]

    def _most_popular(self, query: Query, quality: int, limit: int) -> Iterator[tuple[Hit, int]]:
        """What a query finds, each with its place."""
        search = self._searcher.search
        hits = search(query, limit, count=False, order_by_field=SearchField.PLACE, order=tantivy.Order.Asc).hits
        documents = [address for _, address in hits]
        kinds = self._searcher.fast_field_values(SearchField.KIND, documents)
        keys = self._searcher.fast_field_values(SearchField.KEY, documents)
        for (place, _), kind, key in zip(hits, kinds, keys, strict=True):
            score = quality + _BELOW_ONE * (1 - place / self._names)
            yield Hit(SearchKind(int(kind or 0)), int(key or 0), score), place

    def _queries(self, typed: Sequence[str]) -> Iterator[tuple[int, Query]]:
        """What to ask the index one after the other, and how good what is found by it is."""
        yield WHOLE_NAME, Query.term_query(self._schema, SearchField.WHOLE, whole_name(typed))
        asked = typed[:MOST_WORDS]
        words = self._all_of(asked, typos=0)
        if len(asked) > 1:
            # A name that is one word, typed as two.
            words = Query.boolean_query([(_SHOULD, words), (_SHOULD, self._like(joined_words(asked), 0, starts=True))])
        yield WORDS, words
        longest = max(map(len, asked))
        for typos, needs in enumerate((ONE_TYPO_FROM, TWO_TYPOS_FROM), 1):
            if longest >= needs:
                yield WORDS - typos, self._all_of(asked, typos)

    def _all_of(self, asked: Sequence[str], typos: int) -> Query:
        """Names that have all of these words, with so many wrong letters in each at most."""
        last = len(asked) - 1
        return Query.boolean_query(
            [(_MUST, self._like(word, typos, starts=place == last)) for place, word in enumerate(asked)]
        )

    def _like(self, word: str, typos: int, starts: bool) -> Query:
        """Names that have a word like this one, or one that starts so."""
        allowed = min(typos, (len(word) >= ONE_TYPO_FROM) + (len(word) >= TWO_TYPOS_FROM))
        if not allowed and not starts:
            return Query.term_query(self._schema, SearchField.WORDS, word)
        return Query.fuzzy_term_query(self._schema, SearchField.WORDS, word, distance=allowed, prefix=starts)
