"""What users changed of their blocks: as it is kept, and on top of what the warehouse says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving_api import contract
from serving_api.contract import BlockChange, Blocks, ContractError

IDS = st.text(min_size=1, max_size=4)
CHANGES = st.builds(BlockChange, st.sampled_from(("track", "artist")), IDS, st.booleans(), IDS, st.integers(0, 2**53))


@given(st.lists(CHANGES, min_size=1))
def test_changes_come_back_as_they_were_packed_and_none_take_nothing(changes: list[BlockChange]) -> None:
    assert contract.unpack_block_changes(contract.pack_block_changes(changes)) == changes
    assert contract.pack_block_changes([]) == b""


@given(st.lists(CHANGES))
def test_of_each_item_what_was_said_last_is_kept_under_whichever_of_its_ids(changes: list[BlockChange]) -> None:
    kept: list[BlockChange] = []
    for change in changes:
        before = kept
        kept = contract.with_change(kept, change)
        (now,) = [each for each in kept if each.same(change)]
        assert now._replace(asked_at=change.asked_at) == change
        assert [each for each in kept if each is not now] == [each for each in before if not each.same(change)]


def test_the_same_again_stays_as_it_was_said_first() -> None:
    first = BlockChange("track", "1", True, "1", 5)
    assert contract.with_change([first], first._replace(asked_at=9)) == [first]
    taken_back = BlockChange("track", "2", False, "1", 9)
    assert contract.with_change([first], taken_back) == [taken_back]
    assert contract.with_change([first], BlockChange("artist", "1", True, "1", 9))[0] == first


def test_changes_come_on_top_of_what_the_warehouse_says_of_either_kind() -> None:
    said = Blocks(frozenset({"1", "2"}), frozenset({"1", "3"}))
    changes = [
        BlockChange("track", "1", False, "1", 0),
        BlockChange("artist", "3", False, "3", 0),
        BlockChange("track", "alias", True, "4", 0),
        BlockChange("artist", "5", True, "5", 0),
    ]
    assert contract.changed_blocks(said, changes) == Blocks(frozenset({"2", "4", "alias"}), frozenset({"1", "5"}))
    assert contract.changed_blocks(said, []) == said


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"null",
        b'[2,["track","a",true,null,0]]',
        b'[1,["album","a",true,null,0]]',
        b'[1,["track",5,true,null,0]]',
        b'[1,["track","a",true,5,0]]',
        b'[1,["track","a",1,null,0]]',
        b'[1,["track","a",true,null,0.5]]',
        b'[1,["track","a",true,null,true]]',
        b'[1,["track","a",true,null]]',
        b'[1,"track"]',
        b'[1,["track","\xff",true,null,0]]',
        b"[" * 100_000,
    ],
)
def test_anything_but_a_list_of_changes_is_refused(packed: bytes) -> None:
    with pytest.raises(ContractError):
        contract.unpack_block_changes(packed)
