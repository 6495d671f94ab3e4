"""Other programs' judgement of the OpenAPI description: Redocly's rules, and TypeScript made from it."""

import json
import os
import subprocess
from pathlib import Path

import httpx
import pytest
from npm_tools import installed

from tests.repository import ROOT

pytestmark = [pytest.mark.own_redis, pytest.mark.slow]


@pytest.fixture
def tools() -> Path:
    return installed(ROOT / "tests" / "integration" / "openapi")


def test_redocly_finds_neither_errors_nor_warnings(api: httpx.Client, tools: Path, tmp_path: Path) -> None:
    description = tmp_path / "openapi.json"
    description.write_bytes(api.get("/openapi.json").content)
    command = [tools / "node_modules" / ".bin" / "redocly", "lint", "--extends", "recommended", "--format", "json"]
    quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    said = subprocess.run(
        [*command, description], cwd=tmp_path, env=os.environ | quiet, capture_output=True, text=True, timeout=120
    )
    found = json.loads(said.stdout[said.stdout.index("{") :])
    assert found["problems"] == []


def test_typescript_is_made_from_it_and_compiles_with_typed_errors(
    api: httpx.Client, tools: Path, tmp_path: Path
) -> None:
    (tmp_path / "openapi.json").write_bytes(api.get("/openapi.json").content)
    programs = tools / "node_modules" / ".bin"
    made = subprocess.run(
        [programs / "openapi-typescript", "openapi.json", "-o", "api.ts"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert made.returncode == 0 and "warning" not in (made.stdout + made.stderr).lower(), made.stderr
    (tmp_path / "use.ts").write_text(
        'import type { operations } from "./api";\n'
        'type Errors = operations["recommendations"]["responses"];\n'
        'const gone: Errors[410]["content"]["application/problem+json"]["title"] = "The release is gone";\n'
        'const rank: Errors[200]["content"]["application/json"]["items"][0]["rank"] = 1;\n'
        "export { gone, rank };\n"
    )
    checked = subprocess.run(
        [programs / "tsc", "--noEmit", "--strict", "use.ts"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert checked.returncode == 0, checked.stdout
