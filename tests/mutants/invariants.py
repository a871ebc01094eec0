"""The names of the simulator's invariants, read from its source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

# What the simulator's checks call to say how an invariant stands, its name first.
_SAYING = ("blame", "hold", "note")


def invariants(folder: Path) -> tuple[str, ...]:
    """Every invariant that some file of the folder looks at, in the order of the source."""
    found: dict[str, None] = {}
    for path in sorted(folder.glob("*.py")):
        module = ast.parse(path.read_text())
        known = _constants(module.body)
        for node in module.body:
            names = known | _constants(node.body) if isinstance(node, ast.ClassDef) else known
            found |= dict.fromkeys(_said(node, names))
    return tuple(found)


def _constants(body: list[ast.stmt]) -> dict[str, str]:
    """The names that a module or class gives to texts."""
    found: dict[str, str] = {}
    for node in body:
        if not isinstance(node, ast.Assign):
            continue
        target, value = node.targets[0], node.value
        pairs = [(target, value)]
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            pairs = list(zip(target.elts, value.elts, strict=True))
        for name, text in pairs:
            if isinstance(name, ast.Name) and isinstance(text, ast.Constant):
                found[name.id] = text.value if isinstance(text.value, str) else ""
    return found


def _said(part: ast.stmt, names: dict[str, str]) -> Iterator[str]:
    for node in ast.walk(part):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if name not in _SAYING:
            continue
        match node.args[0]:
            case ast.Constant(value=str(text)):
                yield text
            case ast.Name(id=known) | ast.Attribute(attr=known) if names.get(known):
                yield names[known]
