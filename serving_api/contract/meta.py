"""The description of a release."""

from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date

import orjson
from pydantic import AwareDatetime, TypeAdapter, ValidationError

from serving_api.contract.version import CONTRACT_VERSION, ContractError, ContractVersionError

# How the model version of a slate begins whose lists no ranker ordered; after it, what did.
UNTRAINED = "untrained/"


@dataclass(frozen=True)
class HeldSlate:
    """A slate whose newest lists were refused."""

    as_of: date | None
    """The date of the lists that stay in their place; None where there are none, and the release is without."""
    because: list[str]
    """Why the newest ones were refused, a sentence each."""


@dataclass(frozen=True)
class ReleaseMeta:
    """What a release is: its origin for every response, its sizes for `releases list`."""

    release: str
    as_of: date
    generated_at: AwareDatetime
    models: dict[str, str]
    """Model version per slate; one that begins with UNTRAINED is an order without a model."""
    users: dict[str, int]
    """Number of users with a list, per slate."""
    tracks: int
    popular: int
    """Number of items in the popular list."""
    held: dict[str, HeldSlate] = field(default_factory=dict)
    """By slate whose newest lists were refused: what the release has in their place."""

    @property
    def slates(self) -> list[str]:
        """The slates of the release, in a fixed order."""
        return sorted(self.models)


def pack_meta(meta: ReleaseMeta) -> bytes:
    """Pack the description of a release as JSON."""
    document = {"contract_version": CONTRACT_VERSION} | asdict(meta)
    if not meta.held:
        # As it was before there was such a field.
        del document["held"]
    return orjson.dumps(document, option=orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z)


def unpack_meta(packed: bytes) -> ReleaseMeta:
    """Unpack the description of a release.

    Raises ContractVersionError when another contract version wrote it, ContractError when it is unreadable.
    """
    try:
        document = orjson.loads(packed)
        version = document.pop("contract_version")
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ContractError(f"a release has no readable meta document: {error}") from error
    if version != CONTRACT_VERSION:
        raise ContractVersionError(f"the release has contract version {version}, not {CONTRACT_VERSION}")
    try:
        meta = _META.validate_json(orjson.dumps(document), strict=True)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise ContractError(f"a release has a damaged meta document: {where}: {fault['msg']}") from error
    try:
        return replace(meta, generated_at=meta.generated_at.astimezone(UTC))
    except OverflowError as error:
        raise ContractError(f"a release has a damaged meta document: generated_at: {error}") from error


_META = TypeAdapter(ReleaseMeta)
