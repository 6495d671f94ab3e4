"""The lines of `audotics doctor`."""

from dataclasses import dataclass

from warehouse.errors import AudoticsError


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was checked, whether it is well, what was found, what to do if not."""

    name: str
    ok: bool
    value: str
    advice: str = ""


def failure(name: str, error: AudoticsError) -> Finding:
    """Return an error as a finding: what is wrong stands before its first semicolon, what to do after it."""
    wrong, _, advice = str(error).partition("; ")
    return Finding(name, False, wrong, advice or "fix that and run `audotics doctor` again")
