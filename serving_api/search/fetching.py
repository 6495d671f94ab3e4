"""Brings the search index of a release from Redis into a process."""

import asyncio
import hashlib
from collections.abc import Awaitable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, cast
from zipfile import BadZipFile, ZipFile

from redis.asyncio import Redis

from serving_api import contract
from serving_api.contract import SEARCH_DESCRIPTION_FIELD, ContractError, SearchDescription
from serving_api.errors import UnreadableReleaseError
from serving_api.reading import unavailable_on_redis_error
from serving_api.search.engine import SearchIndex

_ARCHIVE = "index.zip"


async def described_index(redis: Redis, release: str) -> SearchDescription | None:
    """What the index of a release is; None where the release has none. Raises UnreadableReleaseError."""
    packed = await _field(redis, release, SEARCH_DESCRIPTION_FIELD)
    if packed is None:
        return None
    try:
        return contract.unpack_search_description(packed)
    except ContractError as error:
        raise UnreadableReleaseError(str(error)) from error


async def fetched_index(redis: Redis, release: str, description: SearchDescription) -> SearchIndex:
    """The index of a release, open. One part of it is in memory at once, and its files are on disk until it is open.

    Raises UnreadableReleaseError: it is damaged, not whole, or written by another version of tantivy.
    """
    # What takes long is done in threads, so that the process goes on answering.
    with TemporaryDirectory(prefix="audotics-search-") as folder, (Path(folder) / _ARCHIVE).open("w+b") as archive:
        digest = hashlib.sha256()
        for number in range(description.parts):
            part = await _field(redis, release, contract.search_part_field(number))
            if part is None:
                raise UnreadableReleaseError(f"part {number} of the search index is missing")
            await asyncio.to_thread(_add, archive, digest, part)
        if digest.hexdigest() != description.sha256:
            raise UnreadableReleaseError("the search index is not the one that was published")
        return await asyncio.to_thread(_opened, archive, Path(folder) / "index", description)


async def _field(redis: Redis, release: str, field: bytes) -> bytes | None:
    with unavailable_on_redis_error():
        return await cast(Awaitable[bytes | None], redis.hget(contract.search_key(release), cast(str, field)))


def _add(archive: IO[bytes], digest: "hashlib._Hash", part: bytes) -> None:
    digest.update(part)
    archive.write(part)


def _opened(archive: IO[bytes], folder: Path, description: SearchDescription) -> SearchIndex:
    try:
        with ZipFile(archive) as packed:
            packed.extractall(folder)
        return SearchIndex(folder, description.names)
    # tantivy says ValueError of files that it cannot read.
    except (BadZipFile, ValueError) as error:
        advice = "run the API and the publisher from one version, or publish again"
        raise UnreadableReleaseError(
            f"the search index, made by {description.engine}, does not open", advice
        ) from error
