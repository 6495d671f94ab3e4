"""What the store raises, each with the kind of problem that the API answers with.

The text of an error of the store is for operators, and goes to the log with what caused it (`serving_api/observe`):
it may name keys, commands and hosts. Callers are told its `detail`, which is one for each kind.
"""

from typing import ClassVar


class StoreUnavailableError(Exception):
    """Redis cannot answer at the moment."""

    slug: ClassVar[str] = "store-unavailable"
    title: ClassVar[str] = "The store does not answer"
    detail: ClassVar[str] = "what this answer is made of cannot be read at the moment"


class SilentStoreError(StoreUnavailableError):
    """Redis gives no answer to anything, so there is no use in asking something else."""


class NoLiveReleaseError(StoreUnavailableError):
    """Redis answers, but nothing has been published to it."""

    slug = "no-live-release"
    title = "There is no live release"
    detail = "nothing has been published yet, or what was published is not there any more"


class UnreadableReleaseError(StoreUnavailableError):
    """The live release is damaged, or was written by another version of the contract."""

    slug = "contract-mismatch"
    title = "The live release cannot be read"
    detail = "what was published last is damaged, or made for another version of this API"

    def __init__(self, fault: str, advice: str = "publish again or roll back") -> None:
        super().__init__(f"{fault}; {advice}")


class SearchNotReadyError(StoreUnavailableError):
    """Nothing can be searched at the moment: there is no index of the live release, or it is not open yet."""

    slug = "search-not-ready"
    title = "There is nothing to search in yet"
    detail = "the search index of what was published last is not open, or there is none"


class UnreadableBlocksError(StoreUnavailableError):
    """What a user has blocked is damaged, written by another version of the contract, or refused by Redis."""

    slug = "contract-mismatch"
    title = "What the user has blocked cannot be read"
    detail = "no list is shown to a user as long as it might hold what they have blocked"


class TooManyChangesError(Exception):
    """So many blocks of a user were changed that no more are taken until the warehouse has been told."""

    slug: ClassVar[str] = "too-many-changes"
    title: ClassVar[str] = "Too many changes of blocks"

    def __init__(self) -> None:
        super().__init__(
            "so many changes of this user's blocks wait for the warehouse that no more are kept: try again after the"
            " next load or the next night"
        )


class ReleaseGoneError(Exception):
    """A release that is asked for by name is neither the live nor the previous one."""

    slug: ClassVar[str] = "release-gone"
    title: ClassVar[str] = "The release is gone"

    def __init__(self, release: str) -> None:
        super().__init__(f"the release {release} is not kept any more, or never was: begin again without naming one")


class UnreadableScenarioError(StoreUnavailableError):
    """A scenario that is stored, and is not what `audotics scenarios set` writes."""

    slug = "contract-mismatch"
    title = "The scenario cannot be read"
    detail = "no list is shown under rules as long as it might hold what they keep out"

    def __init__(self, name: str) -> None:
        super().__init__(f"the scenario {name} is damaged; store it again with `audotics scenarios set`")


class UnknownItemError(Exception):
    """The live release has nothing with this public id."""

    slug: ClassVar[str]
    title: ClassVar[str]
    item: ClassVar[str]

    def __init__(self, public_id: str) -> None:
        super().__init__(f"the live release has no {self.item} with the id {public_id}")


class UnknownScenarioError(UnknownItemError):
    """No scenario is stored under this name."""

    slug = "unknown-scenario"
    title = "Unknown scenario"
    item = "scenario"

    def __init__(self, name: str) -> None:
        Exception.__init__(self, f"no scenario is stored as {name}")


class UnknownTrackError(UnknownItemError):
    """The live release has no track with this public id."""

    slug = "unknown-track"
    title = "Unknown track"
    item = "track"


class UnknownArtistError(UnknownItemError):
    """The live release has no artist with this public id."""

    slug = "unknown-artist"
    title = "Unknown artist"
    item = "artist"
