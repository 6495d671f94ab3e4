"""What an operator lets through although a check says no: named in a tag of the run."""

from collections.abc import Mapping

import dagster as dg

# Names of checks, separated by commas, as in `raw_listens_suite, feat_user_suite`.
ACCEPT_TAG = "audotics/accept"


def is_accepted(context: dg.AssetCheckExecutionContext, check: dg.AssetCheckKey) -> bool:
    """Whether the run is told to go on where this check fails."""
    return check.name in names_accepted(context.op_execution_context.run.tags)


def names_accepted(tags: Mapping[str, str]) -> set[str]:
    """The checks whose failure a run with these tags goes on after."""
    return {name.strip() for name in tags.get(ACCEPT_TAG, "").split(",") if name.strip()}
