"""The warehouse's roles, made by the first migration: docs/adr/0008-roles.md says who may what."""

from enum import StrEnum

from sqlalchemy import Connection, text

from warehouse.errors import AudoticsError


class Role(StrEnum):
    """A role that a connection can take on, by its name in PostgreSQL."""

    LOADER = "audotics_loader"
    """Writes raw: ingest."""
    TRANSFORMER = "audotics_transformer"
    """Reads raw, owns the schemas of the dbt models: dbt, and the checks of raw tables."""
    SERVICE = "audotics_service"
    """Reads core and features, writes ml: candidates, rankers, releases."""
    ANALYST = "audotics_analyst"
    """Reads analytics and the catalogue; the only one that logs in by itself."""


# Those that the warehouse's own user switches to.
WORKING_ROLES = (Role.LOADER, Role.TRANSFORMER, Role.SERVICE)


def require_roles(connection: Connection, *, pending: bool) -> None:
    """Raise AudoticsError, naming what an administrator has to grant, unless the connection's user can work as every
    working role, or can make that so where migrations are pending.
    """
    (me,) = connection.execute(_ME)
    roles = connection.execute(_ROLES, {"names": [str(role) for role in Role]}).all()
    if pending and not me.may_create and (missing := [role.name for role in roles if not role.present]):
        raise AudoticsError(
            f"Cannot migrate the warehouse: its user {me.name} may not create the roles {', '.join(missing)}. Have an"
            f" administrator of the server run `ALTER ROLE {me.name} CREATEROLE` and try again."
        )
    closed = [
        role.name
        for role in roles
        if role.name in WORKING_ROLES and role.present and not (role.usable or (pending and role.grantable))
    ]
    if closed:
        raise AudoticsError(
            f"The warehouse's user {me.name} may not work as {', '.join(closed)}. Have an administrator of the server"
            f" run `GRANT {', '.join(closed)} TO {me.name}` and try again."
        )


_ME = text(
    "select quote_ident(rolname) as name, rolsuper or rolcreaterole as may_create"
    " from pg_roles where rolname = current_user"
)
_ROLES = text(
    "select wanted.name, roles.oid is not null as present,"
    " pg_has_role(roles.oid, 'SET') and pg_has_role(roles.oid, 'USAGE') as usable,"
    " pg_has_role(roles.oid, 'MEMBER WITH ADMIN OPTION') as grantable"
    " from unnest(cast(:names as text[])) with ordinality as wanted (name, position)"
    " left join pg_roles as roles on roles.rolname = wanted.name order by wanted.position"
)
