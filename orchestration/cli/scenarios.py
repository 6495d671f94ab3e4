"""`audotics scenarios`: rules for lists of the read API, which hold where a request names them."""

import sys
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from orchestration.cli.options import AsJson
from warehouse.errors import AudoticsError

if TYPE_CHECKING:
    from serving_api.rule_fields import Scenario

app = typer.Typer(
    help="Rules for lists of the read API, by the name that requests give: what is left out, moved and pinned.",
    no_args_is_help=True,
)

# As long as a request may write.
_LONGEST_NAME = 100

Name = Annotated[str, typer.Argument(help="What requests call it, as `scenario=NAME`.", show_default=False)]
Rules = Annotated[
    str, typer.Argument(help="The rules as JSON; `-` reads them from standard input.", show_default=False)
]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the scenarios and their rules.

    Example: `audotics scenarios list`
    """
    from assets.publish.failures import redis_errors
    from orchestration.cli.rendering import print_json, print_table
    from orchestration.platform import open_platform
    from serving_api.contract import SCENARIOS

    client = open_platform().redis()
    with redis_errors(client):
        packed = cast(dict[bytes, bytes], client.hgetall(SCENARIOS))
    found = {name.decode(errors="replace"): rules for name, rules in sorted(packed.items())}
    stated = {name: _stated(_read(rules, f"the scenario {name}")) for name, rules in found.items()}
    if as_json:
        print_json([{"scenario": name, "rules": rules} for name, rules in stated.items()])
        return
    rows = [(name, "\n".join(f"{rule}: {value}" for rule, value in rules.items())) for name, rules in stated.items()]
    print_table("scenarios", ("scenario", "rules"), rows)


@app.command("set")
def set_(name: Name, rules: Rules, as_json: AsJson = False) -> None:
    """Store rules under a name, in the place of those that it has had; the read API has them a second later.

    Example: `audotics scenarios set calm '{"include_tag": ["ambient"], "max_per_artist": 2, "rotate": "day"}'`
    """
    from assets.publish.failures import redis_errors
    from orchestration.cli.rendering import print_json, say
    from orchestration.platform import open_platform
    from serving_api.contract import SCENARIOS

    if not 1 <= len(name) <= _LONGEST_NAME:
        raise AudoticsError(f"the name of a scenario has 1 to {_LONGEST_NAME} characters, not {len(name)}")
    scenario = _read((sys.stdin.read() if rules == "-" else rules).encode(), "what is to be stored")
    client = open_platform().redis()
    with redis_errors(client):
        is_new = bool(client.hset(SCENARIOS, name, scenario.model_dump_json(exclude_defaults=True)))
    if as_json:
        print_json({"scenario": name, "rules": _stated(scenario), "replaced": not is_new})
    else:
        say(f"the scenario {name} is {'stored' if is_new else 'replaced'}")


@app.command()
def remove(name: Name, as_json: AsJson = False) -> None:
    """Remove a scenario: requests that name it are answered with 404 from then on.

    Example: `audotics scenarios remove calm`
    """
    from assets.publish.failures import redis_errors
    from orchestration.cli.rendering import print_json, say
    from orchestration.platform import open_platform
    from serving_api.contract import SCENARIOS

    client = open_platform().redis()
    with redis_errors(client):
        removed = bool(client.hdel(SCENARIOS, name))
    if not removed:
        raise AudoticsError(f"no scenario is stored as {name}; `audotics scenarios list` shows those that are")
    if as_json:
        print_json({"scenario": name, "removed": True})
    else:
        say(f"the scenario {name} is removed")


def _read(packed: bytes, what: str) -> "Scenario":
    """Rules from JSON; AudoticsError that names the first field that is not as it must be."""
    from pydantic import ValidationError

    from serving_api.rule_fields import Scenario

    try:
        return Scenario.model_validate_json(packed)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise AudoticsError(f"{what}: {f'{where}: ' if where else ''}{fault['msg']}") from error


def _stated(scenario: "Scenario") -> dict[str, Any]:
    """The rules that a scenario states, as plain data."""
    return scenario.model_dump(mode="json", exclude_defaults=True)
