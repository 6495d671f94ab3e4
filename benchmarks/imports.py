"""Draws the imports between the folders of the code, as a Mermaid graph, and names the circles among them.

python -m benchmarks.imports                 # this tree
python -m benchmarks.imports --root OTHER    # another, such as an older one
"""

import argparse
import ast
from pathlib import Path

PACKAGES = ("warehouse", "serving_api", "quality", "assets", "orchestration")


def main() -> None:
    """Prints the graph, then its circles."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1])
    edges = imports(parser.parse_args().root)
    print("flowchart LR")
    for importer, imported in sorted(edges):
        print(f"    {importer} --> {imported}")
    both_ways = sorted({tuple(sorted(edge)) for edge in edges if edge[::-1] in edges})
    print(f"circles of two: {len(both_ways)}", *(" <-> ".join(pair) for pair in both_ways), sep="\n    ")
    larger = [sorted(part) for part in reach_each_other(edges)]
    print(f"folders that reach each other: {len(larger)}", *(", ".join(part) for part in larger), sep="\n    ")


def imports(root: Path) -> set[tuple[str, str]]:
    """Who imports whom among folders; a file beside the folders of assets/ stands for itself."""
    edges = set()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            importer = place(path.relative_to(root).with_suffix("").parts)
            for node in ast.walk(ast.parse(path.read_text())):
                for name in names(node):
                    parts = tuple(name.split("."))
                    if parts[0] in PACKAGES and place(parts) != importer:
                        edges.add((importer, place(parts)))
    return edges


def reach_each_other(edges: set[tuple[str, str]]) -> list[set[str]]:
    """The sets of two or more folders whose imports lead from each to every other, in order of their first name."""
    reached = {folder: {other for importer, other in edges if importer == folder} for edge in edges for folder in edge}
    # Warshall's closure: a few dozen folders.
    for between in reached:
        for folder in reached:
            if between in reached[folder]:
                reached[folder] |= reached[between]
    circles = (
        {folder} | {other for other in reached[folder] if folder in reached[other]} for folder in sorted(reached)
    )
    return [set(circle) for circle in dict.fromkeys(map(frozenset, circles)) if len(circle) > 1]


def names(node: ast.AST) -> list[str]:
    """What a statement imports: modules, and what is taken of them."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def place(parts: tuple[str, ...]) -> str:
    """The folder of a module: that of assets/ it is in, else the package, or the module that stands in assets/."""
    return "/".join(parts[:2]) if parts[0] == "assets" else parts[0]


if __name__ == "__main__":
    main()
