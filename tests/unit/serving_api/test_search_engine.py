"""The index by itself: what is typed of a name finds it, whatever is typed harms nothing."""

from collections.abc import Iterator
from zipfile import ZipFile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from search_catalogue import names

from assets.lookup.index import Name, built_index
from serving_api.contract import SearchKind, words
from serving_api.search.engine import ONE_TYPO_FROM, SearchIndex

LISTED = [name for name in names() if name.listed]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> SearchIndex:
    folder = tmp_path_factory.mktemp("index")
    with built_index(names()) as (description, archive), ZipFile(archive) as packed:
        packed.extractall(folder)
    return SearchIndex(folder, description.names)


def found(index: SearchIndex, typed: str, kind: SearchKind | None = None) -> list[tuple[SearchKind, int]]:
    hits = index.find(words(typed), kind, 100)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    return [hit[:2] for hit in hits]


@pytest.mark.parametrize("name", LISTED, ids=[name.name for name in LISTED])
def test_a_name_is_found_from_its_first_letter_to_its_last_and_is_first_in_the_end(
    index: SearchIndex, name: Name
) -> None:
    for end in range(1, len(name.name) + 1):
        typed = name.name[:end]
        if words(typed):
            assert name[:2] in found(index, typed), typed
            assert name[:2] in found(index, typed, name.kind), typed
    assert index.find(words(name.name), name.kind, 1)[0].score > 4


def misspelt(name: str) -> Iterator[str]:
    """The name with each of its long enough words misspelt in turn, in each way of one letter."""
    for word in name.split():
        # Letters that marks or rules put together are more than one when they are wrong.
        if word.isalpha() and words(word) == [word.lower()] and len(word) > ONE_TYPO_FROM:
            at = len(word) // 2
            for wrong in (
                word[:at] + word[at + 1 :],
                word[:at] + word[at] + word[at:],
                word[:at] + "w" + word[at + 1 :],
                word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :],
            ):
                yield name.replace(word, wrong, 1)


def test_a_name_is_found_with_a_wrong_letter_anywhere(index: SearchIndex) -> None:
    tried = 0
    for name in LISTED:
        for typed in misspelt(name.name):
            assert name[:2] in found(index, typed), typed
            tried += 1
    assert tried > 100


@given(typed=st.text(min_size=1, max_size=200), kind=st.sampled_from([None, *SearchKind]))
@example(typed='title:(" AND *', kind=None)
@example(typed="a" * 200, kind=SearchKind.TRACK)
def test_whatever_is_typed_ends_in_hits_of_the_kind(index: SearchIndex, typed: str, kind: SearchKind | None) -> None:
    if words(typed):
        assert all(kind in (None, hit) for hit, _ in found(index, typed, kind))
