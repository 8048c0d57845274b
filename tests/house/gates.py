"""The house rules as functions: each takes a folder and returns what breaks the rule, by line.

An empty list is green. Rules that ruff, pyright or import-linter can hold are held there; these are
the others. Every rule here is shown a bad sample by a test of its own.
"""

import ast
import inspect
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import grimp

NAMELESS = frozenset({"utils", "util", "common", "helpers", "helper", "base", "core", "misc"})
"""Names that say nothing about what is inside."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files(folder: Path) -> list[Path]:
    """All Python files under `folder`, in a stable order."""
    return sorted(folder.rglob("*.py"))


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


# ------------------------------------------------------------------ size


def long_modules(folder: Path, limit: int) -> list[str]:
    """Modules of more than `limit` lines."""
    sizes = {path: len(path.read_text().splitlines()) for path in python_files(folder)}
    return [
        f"{path}: {size} lines, at most {limit}" for path, size in sizes.items() if size > limit
    ]


def body_lines(function: Function) -> int:
    """Lines of a function's body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not body:
        return 0
    return (body[-1].end_lineno or body[-1].lineno) - body[0].lineno + 1


def long_functions(folder: Path, limit: int) -> list[str]:
    """Functions whose body has more than `limit` lines."""
    return [
        f"{path}:{function.lineno} {function.name}: {body_lines(function)} lines, at most {limit}"
        for path in python_files(folder)
        for function in _functions(_tree(path))
        if body_lines(function) > limit
    ]


# ------------------------------------------------------------------ names and state


def nameless_modules(folder: Path) -> list[str]:
    """Files and folders whose name is one of `NAMELESS`, with or without underscores around it."""
    return [
        f"{path}: a module says what it holds"
        for path in sorted(folder.rglob("*"))
        if path.stem.strip("_") in NAMELESS and (path.is_dir() or path.suffix == ".py")
    ]


_EMPTY_MAKERS = frozenset({"list", "dict", "set", "defaultdict", "deque", "Counter", "OrderedDict"})


def _is_empty_container(value: ast.expr | None) -> bool:
    match value:
        case ast.List(elts=[]) | ast.Dict(keys=[]):
            return True
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in _EMPTY_MAKERS
        case _:
            return False


def module_state(folder: Path) -> list[str]:
    """Module-level containers that start empty, which is to say that something fills them later."""
    return [
        f"{path}:{node.lineno} module-level state: pass it in instead"
        for path in python_files(folder)
        for node in _tree(path).body
        if isinstance(node, ast.Assign | ast.AnnAssign) and _is_empty_container(node.value)
    ]


# ------------------------------------------------------------------ imports


def import_cycles(package: str) -> list[str]:
    """One import cycle of an importable `package`, if there is any; late imports count."""
    graph = grimp.build_graph(package, cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return [" -> ".join(error.args[1])]
    return []


def _top_level_statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Every node that runs at import: all but the bodies of functions."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, Function | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def _imported(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def late_imports(folder: Path) -> dict[str, list[str]]:
    """What functions import: full name of the module or of the name in it, and where."""
    found: dict[str, list[str]] = {}
    for path in python_files(folder):
        tree = _tree(path)
        early = set(_imported(_top_level_statements(tree)))
        for line, name in sorted(set(_imported(ast.walk(tree))) - early):
            found.setdefault(name, []).append(f"{path}:{line}")
    return found


def unlisted(names: Iterable[str], listed: Iterable[str]) -> set[str]:
    """The names that are neither listed nor inside a listed module."""
    modules = tuple(listed)
    return {
        name
        for name in names
        if not any(name == module or name.startswith(f"{module}.") for module in modules)
    }


def foreign_imports(
    folder: Path, allowed: Mapping[str, Iterable[str]], own: Iterable[str], stdlib: Iterable[str]
) -> list[str]:
    """Third-party imports that a layer may not make.

    Args:
        folder: The package's folder; its direct children are the layers.
        allowed: Per layer, the third-party packages it may import; `*` is for every layer.
        own: Top-level names that are ours.
        stdlib: Top-level names of the standard library.
    """
    known = {*own, *stdlib, *allowed.get("*", ())}
    problems: list[str] = []
    for path in python_files(folder):
        layer = path.relative_to(folder).parts[0].removesuffix(".py")
        may = known.union(allowed.get(layer, ()))
        for line, name in sorted(set(_imported(ast.walk(_tree(path))))):
            if (top := name.partition(".")[0]) not in may:
                problems.append(f"{path}:{line} {layer} may not import {top}")
    return problems


# ------------------------------------------------------------------ text

# Written in pieces, so that this file does not break its own rule.
_PLACES = re.compile(
    r"(?<![\w.])/(?:work|farm|root|home/\w+|Users/\w+|tmp/plan)/"
    r"|\b(?:pypi|pythonhosted|npmjs|crates)\." + r"(?:org|com|io)\b"
    r"|\bdeb\.debian\." + r"org\b|\bproxy\.golang\." + r"org\b"
)


def places(paths: Iterable[Path]) -> list[str]:
    """Lines that name a folder of one machine or the host of a package registry."""
    problems: list[str] = []
    for path in paths:
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        problems += [
            f"{path}:{number} {line.strip()[:80]}"
            for number, line in enumerate(text.splitlines(), 1)
            if _PLACES.search(line)
        ]
    return problems


_EXEMPTION = re.compile(
    r"#\s*(?:(?P<ruff>(?:ruff:\s*)?noqa|fmt:\s*(?:off|skip))(?::\s*(?P<codes>[A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*))?"
    r"|(?P<types>type:\s*ignore|pyright:\s*(?:ignore|basic|standard|report\w+))(?:\[(?P<rules>[^\]]*)\])?"
    r"|pragma:\s*no\s*(?P<coverage>cover|branch))"
)


def _rules(match: re.Match[str]) -> list[str]:
    if match["coverage"]:
        return [f"no {match['coverage']}"]
    named = re.findall(r"\w+", match["codes"] or match["rules"] or "")
    return named or [re.sub(r"\s", "", match["ruff"] or match["types"])]


def exemptions(paths: Iterable[Path], root: Path) -> Counter[tuple[str, str]]:
    """Comments that take a line out of a gate: how often, by (file, rule)."""
    found: Counter[tuple[str, str]] = Counter()
    for path in paths:
        for match in _EXEMPTION.finditer(path.read_text()):
            found.update((path.relative_to(root).as_posix(), rule) for rule in _rules(match))
    return found


def _told_below(folder: Path) -> set[str]:
    """Module-level names with a docstring below their assignment, as type aliases have it."""
    told: set[str] = set()
    for path in python_files(folder):
        for node, after in pairwise(_tree(path).body):
            match node, after:
                case (
                    (
                        ast.AnnAssign(target=ast.Name(id=name))
                        | ast.Assign(targets=[ast.Name(id=name)])
                    ),
                    ast.Expr(value=ast.Constant(value=str())),
                ):
                    told.add(name)
                case _:
                    pass
    return told


def undocumented(module: object, folder: Path) -> list[str]:
    """Public names of a module without a docstring of their own.

    Args:
        module: What has the names, in `__all__`.
        folder: Where their source is.
    """
    below = _told_below(folder)

    def told(name: str) -> bool:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isroutine(value):
            return bool((value.__doc__ or "").strip())
        return name in below

    names: list[str] = list(getattr(module, "__all__", ()))
    return [
        f"{name}: public, and has no docstring"
        for name in names
        if not name.startswith("__") and not told(name)
    ]
