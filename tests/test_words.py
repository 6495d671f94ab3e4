"""Plain English: words and turns of phrase that a reader stumbles over stand nowhere in the tree."""

import re
import subprocess
from pathlib import Path

from tests.repository import ROOT

# Each with what is written instead.
STUMBLED_OVER = {
    r"\banew\b": "again, rebuilt",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\bsurely\b": "significantly",
    r"\b[Ll]ook(s|ed|ing)? at\b": "check, read",
    r"\bin vain\b": "what happened",
    # "as of which date" asks for a date.
    r"(?<![Aa]s )\bof (which|whom)\b": "a sentence of its own",
    r"(?<!here )\b(is|are) no (?!longer\b|(more|less|better|larger) than\b)[a-z]+": "is not a",
}
SUFFIXES = {".py", ".md", ".sql", ".yml", ".toml", ".example"}


def test_nobody_stumbles_over_a_word() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    found = []
    for path in (ROOT / name for name in tracked if Path(name).suffix in SUFFIXES):
        if path.exists() and path != Path(__file__):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                found += [
                    f"{path.relative_to(ROOT)}:{number}: {match.group()!r}: {instead}"
                    for phrase, instead in STUMBLED_OVER.items()
                    for match in re.finditer(phrase, line)
                ]
    assert not found, "\n".join(found)
