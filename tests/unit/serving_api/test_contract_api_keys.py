"""API keys in the Redis contract: round trips, refusals, and agreement with docs/contract.md."""

import re
from datetime import UTC, datetime

import orjson
import pytest

from serving_api import contract
from serving_api.contract import ApiKey, ApiSecret, ContractError, ContractVersionError
from tests.repository import ROOT

PAGE = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")


def test_api_keys_come_back_and_damaged_ones_do_not() -> None:
    now = datetime(2026, 11, 22, 4, 5, 6, tzinfo=UTC)
    secrets = (ApiSecret("ab" * 32, None), ApiSecret("cd" * 32, now))
    key = ApiKey("4f00aa", "mobile app", ("lists:read",), now, None, secrets)
    packed = contract.pack_api_key(key)
    assert contract.unpack_api_key(b"4f00aa", packed) == key
    document = orjson.loads(packed)
    named = re.search(r'\{"version": 1.*?\]\}', PAGE, re.DOTALL)
    assert named
    assert re.findall(r'"(\w+)"', named[0])[: len(document)] == list(document)
    with pytest.raises(ContractVersionError, match="version 2, not 1"):
        contract.unpack_api_key(b"4f00aa", orjson.dumps(document | {"version": 2}))
    for damage in (
        {"id": "other"},
        {"id": 5},
        {"scopes": "lists:read"},
        {"created_at": "yesterday"},
        {"expires_at": "2026-11-22T04:05:06"},
        {"secrets": [{"sha256": "ab", "expires_at": None}]},
        {"secrets": [{"expires_at": None}]},
        {"secrets": 5},
    ):
        with pytest.raises(ContractError, match="4f00aa"):
            contract.unpack_api_key(b"4f00aa", orjson.dumps(document | damage))
    for damaged in (b"", b"[]", b"{}", b"7"):
        with pytest.raises(ContractError, match="4f00aa"):
            contract.unpack_api_key(b"4f00aa", damaged)
