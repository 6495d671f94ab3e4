"""What a person says of the files of a folder in the landing folder, where these do not say it themselves."""

import tomllib

from assets.ingest.formats.export import require_zone
from assets.ingest.landing_files import LandedFile
from assets.ingest.listing import filesystem_of
from assets.ingest.streams import driver_named
from warehouse.errors import AudoticsError

OPTIONS_NAME = "options.toml"
_EXAMPLE = 'it says only in which zone clocks were, such as zone = "Europe/Berlin"'


def read_zone(file: LandedFile) -> str:
    """Return the IANA zone that an OPTIONS_NAME says.

    Raises:
        AudoticsError: it cannot be read, or says something else.
    """
    filesystem, place = filesystem_of(file.given)
    try:
        with driver_named(file.path):
            options = tomllib.loads(filesystem.cat_file(place).decode("utf-8"))
    except OSError as error:
        raise AudoticsError(f"cannot read {file.path}: {error.strerror or error}; check it") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AudoticsError(f"{file.path} is not TOML: {error}; {_EXAMPLE}") from error
    zone = options.pop("zone", None)
    if not isinstance(zone, str) or options:
        wrong = f"has no use for the key {min(options)}" if options else "does not say a zone"
        raise AudoticsError(f"{file.path} {wrong}; {_EXAMPLE}")
    require_zone(zone, f"{file.path}: zone")
    return zone
