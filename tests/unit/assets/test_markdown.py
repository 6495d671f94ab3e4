"""Names in the Markdown of metadata and cards show as they are, whatever Markdown or Matplotlib makes of them."""

import ast
from datetime import date

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from assets import plots
from assets.markdown import as_is
from tests.repository import ROOT

NAMES = ["[unknown]", "[a](b)", "![a](b)", "a | b", "`c`", "**d**", "_e_", "f_g", "<h>", "i\\", "# j", "~~k~~", "&amp;"]


def words(tokens: list[Token]) -> str:
    """What a reader sees; of an image its text."""
    return "".join(token.content if token.type == "text" else words(token.children or []) for token in tokens)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_shows_as_it_is_in_a_cell_a_heading_a_list_and_the_text_of_a_plot(name: str) -> None:
    parser = MarkdownIt("gfm-like", {"linkify": False})
    cell = parser.parse(f"| name | x |\n|---|---|\n| {as_is(name)} | 1 |")
    assert [token.type for token in cell].count("td_open") == 2
    assert words(cell) == f"namex{name}1"
    for before in ("# ", "- ", ""):
        assert words(parser.parse(before + as_is(name))) == name
    (paragraph, inline, _) = parser.parse(plots.bars(name, {name: 1.0}))
    assert (paragraph.type, words([inline])) == ("paragraph_open", name)


def test_dollar_signs_in_names_are_not_formulas() -> None:
    # Matplotlib raises for a formula that it cannot read.
    plots.bars("$\\no$", {"$\\such{$": 1.0, "A$AP": 2.0})
    plots.lines("$\\no$", {"$\\such{$": [(date(2026, 3, 2), 1.0)]})


def test_markdown_of_metadata_is_made_where_names_are_escaped() -> None:
    for path in (ROOT / "assets").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("dg.MetadataValue.md", "MetadataValue.md"):
                (made,) = node.args
                assert isinstance(made, ast.Call), f"{path}:{node.lineno}: made in place"
