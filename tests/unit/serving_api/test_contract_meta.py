"""The description of a release: round trips and refusals."""

from dataclasses import replace
from datetime import UTC, date, datetime

import orjson
import pytest

from serving_api import contract
from serving_api.contract import ContractError, ContractVersionError, HeldSlate, ReleaseMeta

META = ReleaseMeta(
    release="2026-11-22-3f9a1c07",
    as_of=date(2026, 11, 22),
    generated_at=datetime(2026, 11, 22, 4, 5, 6, tzinfo=UTC),
    models={"for_you": "m1", "discover": "m2"},
    users={"for_you": 10, "discover": 9},
    tracks=50,
    popular=20,
)


def test_the_meta_document_comes_back_and_another_version_of_it_does_not() -> None:
    assert contract.unpack_meta(contract.pack_meta(META)) == META
    assert META.slates == ["discover", "for_you"]
    newer = orjson.loads(contract.pack_meta(META)) | {"contract_version": 2, "as_of": {"a": "new shape"}}
    with pytest.raises(ContractVersionError, match="version 2"):
        contract.unpack_meta(orjson.dumps(newer))
    for damaged in (b"", b"[]", b"{}", b'{"contract_version": 1, "as_of": "2026-11-22"}'):
        with pytest.raises(ContractError):
            contract.unpack_meta(damaged)


@pytest.mark.parametrize("as_of", [date(2026, 11, 20), None])
def test_slates_that_are_held_come_back_and_a_description_without_any_is_as_it_was_before(as_of: date | None) -> None:
    held = replace(META, held={"discover": HeldSlate(as_of, ["half of the users"])})
    assert contract.unpack_meta(contract.pack_meta(held)) == held
    before = orjson.loads(contract.pack_meta(META))
    assert "held" not in before
    # Of a field that a later version adds, readers take no notice.
    assert contract.unpack_meta(orjson.dumps(before | {"of_later": 1})) == META
    with pytest.raises(ContractError, match="held"):
        contract.unpack_meta(orjson.dumps(before | {"held": {"discover": "2026-11-20"}}))
