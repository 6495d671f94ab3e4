"""The connection of a load: how it is opened and tidied up after, and what its errors mean."""

import re

import adbc_driver_manager
from adbc_driver_postgresql import dbapi

from assets.ingest import merge_sql
from assets.ingest.files import InputFile
from assets.ingest.rejected import expire_rejects
from assets.ingest.streams import client_errors
from warehouse.connections import check_warehouse
from warehouse.engine import adbc_connect
from warehouse.errors import AudoticsError
from warehouse.roles import Role
from warehouse.settings import load_settings
from warehouse.statistics import analyse_raw

_MISSING_TABLE_STATES = ("42P01", "3F000")
# Values that a column cannot hold, and constraints.
_REFUSED_STATES = ("22", "23")
# Lost or ended connections and locks not given: what the server does not do for one file, it does for no other.
_LOST_STATES = ("08", "57P", "55P03")


def connect(warehouse_url: str) -> dbapi.Connection:
    """Return a connection for loads.

    Raises:
        AudoticsError: the warehouse does not answer.
    """
    try:
        connection = adbc_connect(warehouse_url, Role.LOADER)
        with connection.cursor() as cursor:
            for setting in merge_sql.SESSION_SETTINGS:
                cursor.execute(setting)
        # Committed, it outlives the transactions of the files.
        connection.commit()
    except adbc_driver_manager.Error as error:
        check_warehouse(warehouse_url)
        raise AudoticsError(f"cannot load into the warehouse: {error}; run `audotics doctor`") from error
    return connection


def tidy_up(connection: dbapi.Connection) -> None:
    """Let rejected rows expire, and tell the planner of what has grown."""
    with connection.cursor() as cursor:
        expire_rejects(cursor, load_settings().rejects_days)
        connection.commit()
        analyse_raw(cursor)
    connection.commit()


def roll_back(connection: dbapi.Connection) -> None:
    """Leave nothing open: after a commit this does nothing, and on a lost connection there is nothing to undo."""
    try:
        connection.rollback()
    except adbc_driver_manager.Error:
        return


def stops_every_load(cause: BaseException | None) -> bool:
    """Whether it is the warehouse that failed, and not what one file holds."""
    if not isinstance(cause, adbc_driver_manager.Error):
        return False
    return cause.sqlstate is None or cause.sqlstate.startswith((*_LOST_STATES, *_MISSING_TABLE_STATES))


def may_pass(cause: BaseException | None) -> bool:
    """Whether a file may be loaded later as it is: not it is at fault, but a disk, a store or the server."""
    if isinstance(cause, adbc_driver_manager.Error):
        return cause.sqlstate is None or not cause.sqlstate.startswith(_REFUSED_STATES)
    # Without a number it is of the bytes.
    return isinstance(cause, client_errors()) or (isinstance(cause, OSError) and cause.errno is not None)


def refused_by_server(file: InputFile, error: adbc_driver_manager.Error) -> AudoticsError:
    """Return what to say of an error of PostgreSQL, while a file was loaded."""
    if error.sqlstate in _MISSING_TABLE_STATES:
        return AudoticsError("the warehouse has no raw tables yet; run `audotics migrate`, which creates them")
    went_away = error.sqlstate is None or error.sqlstate.startswith(_LOST_STATES[:2])
    # The statement says nothing to who loads a file.
    told = re.sub(r"Failed to execute query '.*?': ", "", str(error), flags=re.DOTALL).strip()
    # A full disk under its log is one of the things that end the server.
    advice = "run `audotics doctor`, which names a full disk too, and load it again" if went_away else "load it again"
    return AudoticsError(f"PostgreSQL failed while loading {file}, nothing of it was loaded: {told}; {advice}")
