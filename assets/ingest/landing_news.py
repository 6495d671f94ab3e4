"""What is new in the landing folder since a run last came to it, and which of that is complete."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from assets.ingest.landing_files import LandedFile, gone_from
from assets.ingest.landing_ledger import Noted

# A run loads at most so many files; the rest waits for the next.
FILES_PER_RUN = 200
# So many are watched for changes from one tick to the next: what remembers them stays small.
_FILES_WATCHED = 2 * FILES_PER_RUN
_DIGEST_CHARACTERS = 10


@dataclass(frozen=True)
class News:
    """What a tick of the sensor makes of the landing folder.

    Attributes:
        ready: what is new and has not changed since the last tick, by path, at most FILES_PER_RUN; repaired and gone
            files included.
        unsettled: how many new files are waited for.
        watched: digests of what is new, for the next tick.
        key: of what is ready, as it lies there now.
    """

    ready: tuple[str, ...]
    unsettled: int
    watched: tuple[str, ...]
    key: str


def news(lying: Iterable[LandedFile], noted: Mapping[str, Noted], watched: Iterable[str]) -> News:
    """Compare what lies there with what was noted, and with what was new at the last tick.

    A file that has changed between two ticks is still being written. One that is gone is news only where it had a
    fault, which is then to be forgotten.
    """
    files = list(lying)
    stamps = {file.path: file.stamp for file in files}
    changed = [(path, stamp) for path, stamp in stamps.items() if path not in noted or noted[path].stamp != stamp]
    gone = [(path, None) for path in gone_from(noted, files) if noted[path].fault is not None]
    digests = {path: _digest(path, stamp) for path, stamp in sorted([*changed, *gone])[:_FILES_WATCHED]}
    seen = set(watched)
    settled = [path for path, digest in digests.items() if digest in seen]
    ready = tuple(settled[:FILES_PER_RUN])
    key = _digest("", [digests[path] for path in ready])
    return News(ready, len(digests) - len(settled), tuple(digests.values()), key)


def _digest(path: str, state: object) -> str:
    return hashlib.sha256(repr((path, state)).encode()).hexdigest()[:_DIGEST_CHARACTERS]
