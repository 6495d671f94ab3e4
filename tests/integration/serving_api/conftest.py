"""An identity provider for tests of tokens."""

from collections.abc import Iterator

import pytest
from identity_provider import KeyServer, SigningKey, key_server


@pytest.fixture(scope="module")
def signing() -> SigningKey:
    """The key that the provider signs with."""
    return SigningKey("first")


@pytest.fixture
def provider(signing: SigningKey) -> Iterator[KeyServer]:
    """A provider that shows the key."""
    with key_server() as running:
        running.keys = [signing.jwk]
        yield running
