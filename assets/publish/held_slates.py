"""Which slates of a date are refused, and what a release has in their place."""

from datetime import date, datetime
from typing import NamedTuple

from redis import Redis
from sqlalchemy import Connection

from assets.publish.content import ReleaseError, ReleaseInput
from assets.publish.failures import redis_errors
from assets.publish.held import meta_or_fault, pointers
from assets.release_gate.verdicts import judged, last_good
from serving_api.contract import HeldSlate


class Gated(NamedTuple):
    """What the gate lets through of the lists of a date."""

    held: dict[str, HeldSlate]
    """The slates that are refused, and as of which date lists of them stay."""
    made_at: datetime | None
    """When the lists were made that were judged; None without any."""

    def require_these(self, content: ReleaseInput) -> None:
        """Raise ReleaseError where the lists of a release are not those that were judged."""
        if content.lists_made_at != self.made_at:
            raise ReleaseError(f"the lists as of {content.as_of} were made again while they were judged: release again")


def gated(connection: Connection, client: Redis, as_of: date) -> Gated:
    """Judge the lists of a date, where that was not done yet, and find what stays where they are refused.

    Raises ReleaseError where every slate is refused, or one that readers have lists of now and would be left without.
    """
    verdicts = judged(connection, as_of)
    refused = {slate: verdict for slate, verdict in sorted(verdicts.items()) if verdict.refused}
    said = "; ".join(f"{slate}: {reason}" for slate, verdict in refused.items() for reason in verdict.refused_because)
    made = {slate: verdict.made_at for slate, verdict in verdicts.items() if verdict.made_at is not None}
    if made and made.keys() <= refused.keys():
        raise ReleaseError(f"the lists of every slate as of {as_of} are refused, and the live release stays: {said}")
    stay = last_good(connection, as_of, released=True)
    held = {slate: HeldSlate(stay.get(slate), list(verdict.refused_because)) for slate, verdict in refused.items()}
    if lost := [slate for slate, each in held.items() if each.as_of is None and slate in _live_slates(client, as_of)]:
        raise ReleaseError(
            f"the lists of {' and '.join(lost)} as of {as_of} are refused and there are no older ones that went live,"
            f" so the live release stays, which has some: {said}"
        )
    return Gated(held, max(made.values(), default=None))


def _live_slates(client: Redis, as_of: date) -> set[str]:
    """The slates of the live release, unless it is of a later date and stays anyway."""
    with redis_errors(client):
        live, _ = pointers(client)
        meta = meta_or_fault(client, live)[0] if live else None
    return set(meta.models) if meta is not None and meta.as_of <= as_of else set()
