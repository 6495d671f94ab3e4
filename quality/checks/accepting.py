"""How whoever is called says that something is odd and right all the same: in the configuration of the run."""

from typing import Any

import dagster as dg
from pydantic import Field


class Accepting(dg.Config):
    """Whether what the check finds is accepted, in this run alone: it is told, and stops nothing."""

    accept: bool = Field(False, description="Whether what is found is right all the same, so that it stops nothing.")


def accepted(result: dg.AssetCheckResult) -> dg.AssetCheckResult:
    """The same, as a warning at most."""
    told: dict[str, Any] = {**result.metadata, "accepted": True}
    return dg.AssetCheckResult(
        passed=result.passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=result.description if result.passed else f"accepted in this run: {result.description}",
        metadata=told,
    )
