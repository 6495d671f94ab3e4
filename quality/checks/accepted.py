"""What an operator lets through although a check says no: named in a tag of the run."""

from collections.abc import Mapping

import dagster as dg

# Names of checks, separated by commas, as in `raw_listens_suite, feat_user_suite`.
ACCEPT_TAG = "audotics/accept"
_SUFFIXES = ("_suite", "_drift")
_NAMES = {"newest_day_is_whole", "loads_are_as_usual"}


def may_be_accepted(name: str) -> bool:
    """Whether an operator may overrule a check: a dbt test, a block of a user and a verdict on a slate are none."""
    return name.endswith(_SUFFIXES) or name in _NAMES


def is_accepted(context: dg.AssetCheckExecutionContext, check: dg.AssetCheckKey) -> bool:
    """Whether the run is told to go on where this check fails."""
    return check.name in names_accepted(context.op_execution_context.run.tags)


def names_accepted(tags: Mapping[str, str]) -> set[str]:
    """The checks whose failure a run with these tags goes on after."""
    return {name for name in map(str.strip, tags.get(ACCEPT_TAG, "").split(",")) if may_be_accepted(name)}
