"""docs/api.md: every command of it is run against a running API, and answers what the page says."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from api_client import running_api
from listed_release import listed_release
from redis import Redis

from assets.publish.release import publish
from tests.debian import require
from tests.repository import ROOT

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "api.md").read_text("utf-8")
# What no page can know: it is another one for each request, or each code that makes the release.
OWN = {"release", "next", "request_id", "urn:audotics:release"}


class Example(NamedTuple):
    """Commands of the page, the statuses that it says they answer with, and what it shows of the last answer."""

    commands: str
    statuses: list[str]
    shown: Any


def examples() -> list[Example]:
    found = []
    after_each = re.split(r"^```sh\n(.+?)^```\n", PAGE, flags=re.MULTILINE | re.DOTALL)[1:]
    for commands, text in zip(after_each[::2], after_each[1::2], strict=True):
        if "curl" in commands:
            said = re.match(r"\nAnswers ((?:`\d{3}`(?:, then )?)+)[.:]", text)
            assert said, commands
            shown = re.match(r"\nAnswers [^\n]+:\n\n```json\n(.+?)^```\n", text, re.MULTILINE | re.DOTALL)
            found.append(Example(commands, re.findall(r"\d{3}", said[1]), shown and json.loads(shown[1])))
    # None is left out because it is written in another way.
    assert sum(len(each.statuses) for each in found) == len(re.findall(r"^ *(?:NEXT=\$\()?curl ", PAGE, re.MULTILINE))
    assert sum(each.shown is not None for each in found) == PAGE.count("```json")
    return found


def documents(text: str) -> list[Any]:
    """The JSON documents that stand one after the other in a text."""
    decoder, found, rest = json.JSONDecoder(), [], text.strip()
    while rest.startswith("{"):
        document, end = decoder.raw_decode(rest)
        found.append(document)
        rest = rest[end:].strip()
    return found


def require_shown(shown: Any, answered: Any, where: str = "") -> None:
    """Fail unless what is shown is a part of what was answered: fields of objects, and the first items of lists."""
    if isinstance(shown, dict):
        assert isinstance(answered, dict) and set(shown) <= set(answered), f"{where}: {set(shown) - set(answered)}"
        for name, value in shown.items():
            if name not in OWN:
                require_shown(value, answered[name], f"{where}.{name}")
    elif isinstance(shown, list):
        assert isinstance(answered, list) and len(shown) <= len(answered), where
        for number, value in enumerate(shown):
            require_shown(value, answered[number], f"{where}[{number}]")
    else:
        assert shown == answered, where


@pytest.fixture(scope="module")
def environment(module_redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The API with what the page says an operator has done, and the variables that the page names."""
    require("curl", "curl")
    home = tmp_path_factory.mktemp("curl")
    (home / ".curlrc").write_text('silent\nwrite-out = "%{stderr}%{http_code}\\n"\n')
    with Redis.from_url(module_redis_url) as client:
        publish(client, listed_release())
    given = os.environ | {"AUDOTICS_REDIS_URL": module_redis_url, "CURL_HOME": str(home)}
    given["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{given['PATH']}"
    (stored,) = re.findall(r"`(audotics scenarios set [^`]+)`", PAGE)
    subprocess.run(["sh", "-c", stored], env=given, check=True, capture_output=True)
    (made,) = re.findall(r"^KEY=\$\((audotics keys create .+?)\)", PAGE, re.MULTILINE)
    key = subprocess.run(["sh", "-c", made], env=given, check=True, capture_output=True, text=True).stdout.strip()
    with running_api(module_redis_url, api_auth="keys", api_cors_origins="https://app.example.org") as api:
        yield given | {"API": str(api.base_url).rstrip("/"), "KEY": key}


@pytest.mark.parametrize("example", [pytest.param(each, id=each.commands.splitlines()[-1]) for each in examples()])
def test_an_example_answers_what_the_page_says(example: Example, environment: dict[str, str], tmp_path: Path) -> None:
    command = ["bash", "-euo", "pipefail", "-c", example.commands]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr.split() == example.statuses, done.stdout
    if example.shown is not None:
        require_shown(example.shown, documents(done.stdout)[-1])


def test_what_is_not_answered_is_found() -> None:
    answered = {"a": 1, "items": [{"b": None}, {"b": 2}]}
    require_shown({"items": [{"b": None}]}, answered)
    for shown in ({"a": 2}, {"c": None}, {"items": [{"b": 2}]}, {"items": [{}, {}, {}]}, {"items": [{"c": 1}]}):
        with pytest.raises(AssertionError):
            require_shown(shown, answered)
