"""What is new in the landing folder since a run last came to it, and which of that is complete."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from assets.ingest.landing_files import LandedFile, gone_from
from assets.ingest.landing_ledger import Noted

# A run loads at most so many files; the rest waits for the next.
FILES_PER_RUN = 200
# So many are watched for changes from one tick to the next: what remembers them stays small.
_FILES_WATCHED = 2 * FILES_PER_RUN
_DIGEST_CHARACTERS = 10


@dataclass(frozen=True)
class Watched:
    """What a tick leaves to the next.

    Attributes:
        digests: of new files as they lay there, at most _FILES_WATCHED.
        last: the path of the new file that came among them last: those after it are next.
    """

    digests: Sequence[str] = ()
    last: str = ""


@dataclass(frozen=True)
class News:
    """What a tick of the sensor makes of the landing folder.

    Attributes:
        ready: what is new and has not changed since the last tick, by path, at most FILES_PER_RUN; repaired and gone
            files included.
        unsettled: how many new files are waited for.
        watched: for the next tick.
        key: of what is ready, as it lies there now.
    """

    ready: tuple[str, ...]
    unsettled: int
    watched: Watched
    key: str


def news(lying: Iterable[LandedFile], noted: Mapping[str, Noted], watched: Watched) -> News:
    """Compare what lies there with what was noted, and with what was new at the last tick.

    A file that has changed between two ticks is still being written. One that is gone is news only where it had a
    fault, which is then to be forgotten. What has settled is watched until a run has come to it; the rest take turns,
    so that no number of uploads without end keeps others from theirs.
    """
    files = list(lying)
    stamps = {file.path: file.stamp for file in files}
    changed = [(path, stamp) for path, stamp in stamps.items() if path not in noted or noted[path].stamp != stamp]
    gone = [(path, None) for path in gone_from(noted, files) if noted[path].fault is not None]
    digests = {path: _digest(path, stamp) for path, stamp in sorted([*changed, *gone])}
    seen = set(watched.digests)
    settled = [path for path, digest in digests.items() if digest in seen]
    ready = tuple(settled[:FILES_PER_RUN])
    key = _digest("", [digests[path] for path in ready])
    return News(ready, len(digests) - len(settled), _watch(digests, settled, watched.last), key)


def _watch(digests: Mapping[str, str], settled: Iterable[str], last: str) -> Watched:
    """Watch what has settled, and of the others those whose turn it is; `digests` has the paths in their order."""
    kept = list(settled)[:_FILES_WATCHED]
    others = sorted(digests.keys() - kept, key=lambda path: (path <= last, path))
    turn = others[: _FILES_WATCHED - len(kept)]
    return Watched(tuple(digests[path] for path in (*kept, *turn)), turn[-1] if turn else last)


def _digest(path: str, state: object) -> str:
    return hashlib.sha256(repr((path, state)).encode()).hexdigest()[:_DIGEST_CHARACTERS]
