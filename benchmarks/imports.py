"""Draws the imports between the folders of the code, as a Mermaid graph, and names the circles among them.

python -m benchmarks.imports                 # this tree
python -m benchmarks.imports --root OTHER    # another, such as an older one
"""

import argparse
import ast
from pathlib import Path

import networkx

PACKAGES = ("warehouse", "serving_api", "quality", "assets", "orchestration")


def main() -> None:
    """Prints the graph, then its circles."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1])
    graph = imports(parser.parse_args().root)
    print("flowchart LR")
    for importer, imported in sorted(graph.edges):
        print(f"    {importer} --> {imported}")
    both_ways = sorted({tuple(sorted(edge)) for edge in graph.edges if graph.has_edge(*edge[::-1])})
    print(f"circles of two: {len(both_ways)}", *(" <-> ".join(pair) for pair in both_ways), sep="\n    ")
    larger = [sorted(part) for part in networkx.strongly_connected_components(graph) if len(part) > 1]
    print(f"folders that reach each other: {len(larger)}", *(", ".join(part) for part in larger), sep="\n    ")


def imports(root: Path) -> networkx.DiGraph:
    """Folders that import each other; a file beside the folders of assets/ stands for itself."""
    graph = networkx.DiGraph()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            importer = place(path.relative_to(root).with_suffix("").parts)
            for node in ast.walk(ast.parse(path.read_text())):
                for name in names(node):
                    parts = tuple(name.split("."))
                    if parts[0] in PACKAGES and place(parts) != importer:
                        graph.add_edge(importer, place(parts))
    return graph


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
