"""What users changed of their blocks: as it is kept, and on top of what the warehouse says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving_api import contract
from serving_api.contract import BlockChange, Blocks, ContractError

IDS = st.text(min_size=1, max_size=4)
CHANGES = st.builds(BlockChange, st.sampled_from(("track", "artist")), IDS, st.booleans(), IDS)


@given(st.lists(CHANGES, min_size=1))
def test_changes_come_back_as_they_were_packed_and_none_take_nothing(changes: list[BlockChange]) -> None:
    assert contract.unpack_block_changes(contract.pack_block_changes(changes)) == changes
    assert contract.pack_block_changes([]) == b""


@given(st.lists(CHANGES))
def test_of_each_item_what_was_said_last_is_kept(changes: list[BlockChange]) -> None:
    kept: list[BlockChange] = []
    for change in changes:
        kept = contract.with_change(kept, change)
    assert kept == sorted({(each.kind, each.item_id): each for each in changes}.values(), key=changes[::-1].index)[::-1]


def test_changes_come_on_top_of_what_the_warehouse_says_of_either_kind() -> None:
    said = Blocks(frozenset({"1", "2"}), frozenset({"1", "3"}))
    changes = [
        BlockChange("track", "1", False, "1"),
        BlockChange("artist", "3", False, "3"),
        BlockChange("track", "alias", True, "4"),
        BlockChange("artist", "5", True, "5"),
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
        b'[2,["track","a",true,"a"]]',
        b'[1,["album","a",true,"a"]]',
        b'[1,["track",5,true,"a"]]',
        b'[1,["track","a",1,"a"]]',
        b'[1,["track","a",true]]',
        b'[1,"track"]',
        b'[1,["track","\xff",true,"a"]]',
        b"[" * 100_000,
    ],
)
def test_anything_but_a_list_of_changes_is_refused(packed: bytes) -> None:
    with pytest.raises(ContractError):
        contract.unpack_block_changes(packed)
