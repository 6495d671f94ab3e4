"""Which files of listens lie at a path."""

from pathlib import Path

from assets.ingest.files import InputFile
from assets.ingest.listing import Listing, list_files
from assets.ingest.records import Source
from warehouse.errors import AudoticsError


def find_files(
    source: Source, given: Path | str | Listing, refused: list[AudoticsError] | None = None
) -> list[InputFile]:
    """Return the source's files among those at a path or address, or among those that were listed there.

    With `refused`, what is wrong is added there, and raises nothing.

    Raises:
        AudoticsError: nothing is there, or no file of listens, or it is damaged.
    """
    try:
        listing = given if isinstance(given, Listing) else list_files(given)
        if listing.damaged and refused is None:
            raise listing.damaged[0]
        found = source.find(listing)
    except AudoticsError as error:
        if refused is None:
            raise
        refused.append(error)
        return []
    if refused is not None:
        refused += listing.damaged
    return found
