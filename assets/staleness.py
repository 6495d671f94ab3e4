"""The one rule by which anything that was computed is known to be stale: digests of the code that computes it.

Two kinds of code compute: models of the dbt project, whose digest is made from dbt's manifest, and Python, whose digest
is made from imports. A digest changes with everything that can change values, and with nothing else: not with
descriptions, comments, docstrings, white space, tests or exposures. See docs/adr/0025-one-rule-of-staleness.md.
"""

import ast
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

from jinja2 import Environment

_ROOT = Path(__file__).parents[1]
_LENGTH = 12

# The strategy of models that know which of their days are stale (dbt_project/macros/rebuild.sql). By which code such a
# model was built stands in builds.models, so the digest of what reads it holds its name alone.
BY_DAY = "changed_days"

# Libraries whose results may differ from release to release, by the name they are imported by, and the distributions
# that compute in them.
COMPUTING_LIBRARIES = {
    "implicit": ("implicit",),
    "lightgbm": ("lightgbm",),
    "numba": ("numba", "llvmlite"),
    "numpy": ("numpy",),
    "pandas": ("pandas",),
    "pyarrow": ("pyarrow",),
    "scipy": ("scipy",),
    "tantivy": ("tantivy",),
}

# It says where things are and how many threads work: what is computed is the same with other settings, and with more.
_NO_CODE = {"warehouse.settings"}

Node = Mapping[str, Any]


def model_digests(manifest: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, str]:
    """Digest, by unique id, of every model, snapshot and seed of a manifest as dbt writes it.

    In it are its SQL and that of the macros it calls, however indirectly; the values of the variables (`variables`:
    those of dbt_project.yml) and of the settings that these ask for; and the digests of what it reads, those of models
    that are kept by day excepted.
    """
    digests: dict[str, str] = {}

    def digest(unique_id: str) -> str:
        if unique_id in manifest["sources"]:
            # Not its relation's name: in which database it is makes no difference.
            return "{schema}.{identifier}".format(**manifest["sources"][unique_id])
        if unique_id not in digests:
            node = manifest["nodes"][unique_id]
            read = {each: "" if is_by_day(manifest, each) else digest(each) for each in _parents(node)}
            digests[unique_id] = _digest([_own_code(manifest, node, variables), read])
        return digests[unique_id]

    return {
        unique_id: digest(unique_id)
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] in ("model", "snapshot", "seed")
    }


def is_by_day(manifest: Mapping[str, Any], unique_id: str) -> bool:
    """Whether a node of the manifest is a model that is rebuilt on the days that changed."""
    return bool(manifest["nodes"].get(unique_id, {}).get("config", {}).get("incremental_strategy") == BY_DAY)


def read_by_day(manifest: Mapping[str, Any], unique_ids: Iterable[str]) -> set[str]:
    """The models kept by day that these nodes read, directly or by way of nodes that are not, as schema.name."""
    found: set[str] = set()
    for unique_id in unique_ids:
        for parent in _parents(manifest["nodes"].get(unique_id, {})):
            if is_by_day(manifest, parent):
                found.add("{schema}.{alias}".format(**manifest["nodes"][parent]))
            else:
                found |= read_by_day(manifest, [parent])
    return found


def _parents(node: Node) -> list[str]:
    return sorted(node.get("depends_on", {}).get("nodes", []))


# What decides how dbt writes the rows of a model or a snapshot, whether or not its SQL asks for it.
_SETTINGS = ("materialized", "incremental_strategy", "unique_key", "strategy", "check_cols", "updated_at")


def _own_code(manifest: Mapping[str, Any], node: Node, variables: Mapping[str, Any]) -> list[Any]:
    """What the rows of a node are made by, its parents apart."""
    if node["resource_type"] == "seed":
        return [node["checksum"]["checksum"]]
    config = node["config"]
    texts = [_read(node["raw_code"])]
    # A view has no rows that a hook could change.
    if config["materialized"] != "view":
        texts += [_read(hook["sql"]) for hook in (*config["pre-hook"], *config["post-hook"])]
    own = [text.code for text in texts]
    macros = _called_macros(manifest, texts, config["incremental_strategy"])
    texts += macros.values()
    asked_for = {name for text in texts for name in text.variables}
    settings = {name for text in texts for name in text.settings}.union(_SETTINGS)
    return [
        own,
        {name: text.code for name, text in macros.items()},
        # One that is named by an expression may be any.
        {name: value for name, value in variables.items() if name in asked_for or None in asked_for},
        {name: config.get(name) for name in settings},
    ]


def _called_macros(manifest: Mapping[str, Any], texts: Iterable["_Text"], strategy: str | None) -> dict[str, "_Text"]:
    """The macros that texts call, however indirectly, and that of the incremental strategy; not those that dbt brings.

    By names in the text and not by `depends_on`, where dbt notes only what it passed when it parsed: nothing that
    stands behind `if is_incremental()`.
    """
    of_dbt = ("dbt", f"dbt_{manifest['metadata']['adapter_type']}")
    macros = {macro["name"]: macro for macro in manifest["macros"].values() if macro["package_name"] not in of_dbt}
    found: dict[str, _Text] = {}
    waiting = {name for text in texts for name in text.calls} | {f"get_incremental_{strategy}_sql"}
    while waiting:
        name = waiting.pop()
        if name in macros and name not in found:
            found[name] = _read(macros[name]["macro_sql"])
            waiting |= found[name].calls
    return found


@dataclass(frozen=True)
class _Text:
    """SQL with Jinja, in one spelling of what both of them say; and whom it calls, what it asks for."""

    code: str
    calls: frozenset[str]
    variables: frozenset[str | None]
    """None: one whose name is an expression."""
    settings: frozenset[str]


_JINJA = Environment()
# A piece of Jinja within SQL is one character followed by its number and another.
_PIECE = r"\x02\d+\x03"
_SQL = re.compile(
    rf"(?P<comment>--[^\n]*|/\*.*?\*/)|(?P<kept>'(?:''|[^'])*'|\"[^\"]*\"|{_PIECE}|\w+|[^\w\s])",
    re.DOTALL,
)
_ENDS = {"variable_end", "block_end"}
_OUTSIDE = {"data", "raw_begin", "raw_end", "comment_begin", "comment", "comment_end"}


@cache
def _read(source: str) -> _Text:
    pieces: list[str] = []
    calls: set[str] = set()
    variables: set[str | None] = set()
    settings: set[str] = set()
    sql = []
    piece: list[tuple[str, str]] = []
    for _, kind, value in _JINJA.lex(source):
        if kind in _OUTSIDE:
            sql.append(value if kind == "data" else " ")
        elif kind in _ENDS:
            # Settings are taken from the node, where they stand whoever gave them.
            if piece[:2] != [("name", "config"), ("operator", "(")]:
                sql.append(f"\x02{len(pieces)}\x03")
                pieces.append(" ".join(value for _, value in piece))
            calls |= set(_called(piece))
            variables |= set(_asked_for(piece, "var"))
            settings |= {name for call in ("get", "require") for name in _asked_for(piece, "config", call) if name}
            piece = []
        elif kind not in ("variable_begin", "block_begin", "whitespace"):
            piece.append((kind, value))
    return _Text(_spelled("".join(sql), pieces), frozenset(calls), frozenset(variables), frozenset(settings))


def _called(piece: list[tuple[str, str]]) -> Iterator[str]:
    """Names that a piece of Jinja calls as functions, methods of that name included."""
    for (kind, name), (_, after) in pairwise(piece):
        if kind == "name" and after == "(":
            yield name


def _asked_for(piece: list[tuple[str, str]], *names: str) -> Iterator[str | None]:
    """First arguments of the calls of a function, `var` or `config`, `get`, where they are strings; None where not."""
    function = [part for name in names for part in (("operator", "."), ("name", name))][1:]
    for start in range(len(piece) - len(function) - 1):
        if piece[start : start + len(function) + 1] == [*function, ("operator", "(")]:
            if start and piece[start - 1] == ("operator", "."):
                continue
            kind, value = piece[start + len(function) + 1]
            yield value[1:-1] if kind == "string" else None


def _spelled(sql: str, pieces: list[str]) -> str:
    words: list[str] = []
    for match in _SQL.finditer(sql):
        # dbt runs what stands in a comment of SQL as well.
        words += re.findall(_PIECE, match[0]) if match["comment"] else [match[0]]
    return re.sub(_PIECE, lambda match: pieces[int(match[0][1:-1])], " ".join(words))


def code_digest(*modules: str, root: Path = _ROOT) -> str:
    """Digest of what Python modules of the project compute.

    In it are their code and that of every module of the project that they import, however indirectly, docstrings and
    comments apart, and the releases of the libraries that all of these compute with.

    Raises:
        ModuleNotFoundError: the project has no such module.
    """
    code = _imported(modules, root)
    libraries = {library for module in code.values() for library in module.imports} & COMPUTING_LIBRARIES.keys()
    return _digest(
        [
            {name: module.code for name, module in code.items()},
            {each: version(each) for library in libraries for each in COMPUTING_LIBRARIES[library]},
        ]
    )


def _imported(modules: Iterable[str], root: Path) -> dict[str, "_Module"]:
    """These modules of the project, and those of it that they import, however indirectly, by name."""
    found: dict[str, _Module] = {}
    waiting = {start for name in modules for start in _starts(name)}
    while waiting:
        name = waiting.pop()
        source = _source(root, name)
        if source is not None and name not in found:
            found[name] = _module(source)
            waiting |= found[name].imports - _NO_CODE
    if missing := set(modules) - found.keys():
        raise ModuleNotFoundError(f"no module of the project is called {', '.join(sorted(missing))}")
    return found


@dataclass(frozen=True)
class _Module:
    code: str
    imports: frozenset[str]
    """Whatever is imported anywhere in it: `a`, `a.b` and `a.b.c` of `from a.b import c`, which may be a module."""


@cache
def _module(source: str) -> _Module:
    tree = ast.parse(source)
    imports: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imports |= {f"{node.module}.{alias.name}" for alias in node.names}
        for block in (getattr(node, name, None) for name in ("body", "orelse", "finalbody")):
            if isinstance(block, list):
                block[:] = [each for each in block if not _is_text(each)]
    return _Module(_digest(ast.dump(tree)), frozenset(start for name in imports for start in _starts(name)))


def _is_text(statement: ast.stmt) -> bool:
    """Whether it is a docstring, of whatever stands before it: an expression that does nothing."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _starts(name: str) -> Iterator[str]:
    """`a.b.c`, `a.b` and `a` of `a.b.c`: a module is imported after the packages that it is in."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def _source(root: Path, module: str) -> str | None:
    """The text of a module of the project; None where it has no such module."""
    path = root.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file.read_text()
    return None


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:_LENGTH]
