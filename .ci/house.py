"""Count what makes the package easy or hard to enter: names, docstrings, folders, circles and routes.

    python .ci/house.py [FOLDER OF THE PACKAGE]

The figures are a picture to aim at, not a gate. A gerund module is named by a word in -ing; a participle
function by a word such as `told` or `delivered`; both are counted by the first word of their names.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "eversince_async"
ENGINE = ("orchestrator", "polling", "transfers", "durable", "account", "batch", "pipelines", "journal")
"""The rooms whose lines are added up."""

IRREGULAR = {
    "told", "kept", "made", "sent", "begun", "done", "found", "given", "gone", "held", "known", "left",
    "lost", "met", "paid", "said", "seen", "shown", "spent", "taken", "written", "drawn", "bound",
    "built", "brought", "chosen", "grown", "heard", "laid", "led", "meant", "sought", "sold", "stood",
    "taught", "thought", "understood", "won", "worn", "torn",
}  # fmt: skip
NO_PARTICIPLES = {"need", "seed", "feed", "speed", "embed", "exceed", "proceed"}
NO_GERUNDS = {"string", "tracing", "pricing", "logging"}
PRONOUNS = ("whoever", "somebody", "nobody", "whatever")
QUESTIONS = ("What", "Who", "Whether", "How", "Whose", "Which", "Where", "Why")


def files(root: Path) -> list[Path]:
    """The package's modules."""
    return sorted(path for path in root.rglob("*.py") if "__pycache__" not in path.parts)


def words(name: str) -> list[str]:
    """The words of a name."""
    return name.strip("_").lower().split("_")


def is_participle(name: str) -> bool:
    """Whether a function is named for what has been done instead of what it does."""
    first = words(name)[0]
    if first in NO_PARTICIPLES:
        return False
    return first in IRREGULAR or first.endswith("ed")


def is_gerund(path: Path) -> bool:
    """Whether a module is named by a word in -ing."""
    return any(word.endswith("ing") and word not in NO_GERUNDS for word in words(path.stem))


def docstrings(tree: ast.Module) -> Iterator[str]:
    """All docstrings of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield text


def imported(tree: ast.Module, known: set[str]) -> set[str]:
    """The package's modules that a module imports, for type checkers and inside functions included."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found & known


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other, by Tarjan's algorithm; packages' front doors are left out."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in arrows[module]:
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            group = []
            while not group or group[-1] != module:
                group.append(stack.pop())
            if len(group) > 1:
                groups.append(sorted(group))

    for module in sorted(arrows):
        if module not in index:
            visit(module)
    return groups


def share(part: int, whole: int) -> str:
    """A part of a whole, as a percentage."""
    return f"{part} of {whole} ({100 * part / whole:.1f} %)"


def main(root: Path) -> None:
    """Print the figures."""
    trees = {path: ast.parse(path.read_text("utf-8")) for path in files(root)}
    modules = {path: ".".join([PACKAGE, *path.relative_to(root).with_suffix("").parts]) for path in trees}
    known = {name for name in modules.values() if not name.endswith("__init__")}
    arrows = {modules[path]: imported(tree, known) for path, tree in trees.items() if modules[path] in known}

    functions = [
        node.name
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("__")
    ]
    classes = Counter(
        node.name for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
    )
    texts = [text for tree in trees.values() for text in docstrings(tree)]
    spoken = [word for text in texts for word in re.findall(r"[A-Za-z']+", text)]
    pronouns = sum(word.lower() in PRONOUNS for word in spoken)
    questions = sum(text.split()[0] in QUESTIONS for text in texts)
    firsts = [len(text.split("\n")[0].split()) for text in texts]
    named = [path for path in trees if not path.stem.startswith("__")]
    folders = Counter(path.parent.relative_to(root).as_posix() for path in named)
    core = {folder: n for folder, n in folders.items() if folder.split("/")[0] not in {"cli", "emulator"}}
    engine = [path for room in ENGINE for path in files(root / room)] + list(root.glob("session/transfer.py"))
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in engine)
    groups = circles(arrows)
    grouped = "".join("; " + " ".join(group) for group in groups)

    largest = max(core, key=core.__getitem__)
    rows = [
        ("circles of files", f"{len(groups)}{grouped}"),
        ("gerund modules", share(sum(map(is_gerund, named)), len(named))),
        ("participle functions", share(sum(map(is_participle, functions)), len(functions))),
        ("docstrings that begin with a question word", share(questions, len(texts))),
        ("first lines of more than twelve words", share(sum(n > 12 for n in firsts), len(firsts))),
        ("whoever, somebody, nobody, whatever", f"{1000 * pronouns / len(spoken):.2f} in 1,000 words"),
        ("most files in a folder of the core", f"{core[largest]} ({largest})"),
        ("files of the command line", str(folders["cli"])),
        ("classes called Run", str(classes["Run"])),
        ("lines of the engine", f"{lines:,}"),
    ]
    for name, figure in rows:
        print(f"{name:44}{figure}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent.parent / PACKAGE)
