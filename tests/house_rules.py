"""The house rules as checkers: who may import whom, and what PURE files never touch.

A checker takes one source and yields what is wrong with it, so that tests/test_architecture.py can
feed the same checker the package and small snippets with a violation planted in them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

PACKAGE = "baseline_v1_live"

# Hard ceilings in lines; the goal is 400 and 70.
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 90

PURE = {"core", "strategy", "combos", "order_manager", "position_tracker"}
PURE_LIBRARIES = {
    "__future__", "abc", "bisect", "collections", "dataclasses", "datetime", "enum", "functools",
    "heapq", "itertools", "math", "msgspec", "operator", "re", "typing",
}  # fmt: skip

# Every file and folder at the top of the package, and what of ours it may import besides itself.
# A dotted name opens one module of a folder, a plain one the whole folder. Siblings stay strangers
# except where the house names it: adapters and sim implement the ports of runtime.
PORTS = {"runtime.ports", "runtime.clock", "runtime.records"}
SHELL = PURE | {"config", "runtime", "adapters", "sim", "desk", "research", "dashboard"}
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "__main__": {"cli"},
    "cli": SHELL | {"baseline_v1_live", "cli_operator", "cli_shared", "live_start"},
    "cli_operator": PURE | {"config", "runtime", "adapters.journal"},
    "cli_research": SHELL | {"cli_shared", "live_demo", "live_start"},
    "cli_simulate": {"cli_shared", "core.rules", "simulate", "sim.fault_catalogue"},
    "cli_shared": PURE | {"config"},
    "baseline_v1_live": SHELL | {"live_journal", "live_machine", "live_start", "live_wiring"},
    "live_demo": SHELL | {"baseline_v1_live", "live_start"},
    "live_journal": SHELL,
    "live_start": SHELL | {"live_wiring"},
    "live_machine": SHELL,
    "live_wiring": SHELL | {"live_machine"},
    "simulate": SHELL | {"baseline_v1_live", "live_machine", "live_start"},
    "check_system": PURE | {"config", "runtime", "adapters", "sim"},
    "config": PURE | {"config_fields"},
    "config_fields": set(),
    "order_manager": PURE,
    "position_tracker": PURE,
    "core": PURE,
    "strategy": PURE,
    "combos": PURE,
    "runtime": PURE,
    "adapters": {"core.messages", "core.instruments", "core.session"} | PORTS,
    "sim": {"core"} | PORTS,
    "desk": PURE | {"config", "runtime", "adapters"},
    "research": PURE | {"sim", "runtime", "adapters.journal"},
    "dashboard": PURE | {"config", "runtime", "adapters.journal"},
}

# Libraries that one place only may know: brands, and what is too heavy for the live process.
HOME_OF_LIBRARY = {
    "pandas": "research",
    "openalgo": "research",
    "ib_async": "adapters.ibkr",
    "telegram": "adapters.telegram",
}

BANNED_ENDPOINTS = {"placesmartorder", "closeposition", "cancelallorder"}

CLOCK_READS = {"now", "utcnow", "today"}
IMPURE_CALLS = {
    "print", "open", "input", "sleep", "breakpoint", "eval", "exec", "compile", "__import__",
    "hash", "id",  # differ from run to run, so a replay would too
}  # fmt: skip

# The pattern does not match its own text.
MACHINE_PATH = re.compile(r"(?<![\w.-])/(?:work/|tmp/bash_jobs|Users/)")
TEXT_SUFFIXES = {".cfg", ".html", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml"}
TEXT_NAMES = {".ci/run", ".env.example", "Dockerfile", "Makefile"}

Node = TypeVar("Node", bound=ast.AST)
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One Python file: its path from the root of the repository, and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def parts(self) -> tuple[str, ...]:
        """Path inside the package, as modules: ``("adapters", "openalgo", "books")``."""
        return Path(self.path).with_suffix("").parts[1:]

    @property
    def area(self) -> str:
        """The folder or file at the top of the package that this file is, or lies in."""
        return self.parts[0]

    @property
    def pure(self) -> bool:
        return self.area in PURE

    def nodes(self, kind: type[Node]) -> Iterator[Node]:
        return (node for node in ast.walk(self.tree) if isinstance(node, kind))

    @property
    def functions(self) -> list[Function]:
        return [*self.nodes(ast.FunctionDef), *self.nodes(ast.AsyncFunctionDef)]

    @cached_property
    def _imported(self) -> list[tuple[int, str, ast.alias]]:
        """Line, the module imported from (empty for ``import x``), and the name imported."""
        plain = [(node.lineno, "", name) for node in self.nodes(ast.Import) for name in node.names]
        named = [
            (node.lineno, self._base_of(node), name)
            for node in self.nodes(ast.ImportFrom)
            for name in node.names
        ]
        return plain + named

    @property
    def imports(self) -> list[tuple[int, str]]:
        """Line and full dotted name of everything imported, relative imports resolved."""
        return [(line, f"{base}.{a.name}".lstrip(".")) for line, base, a in self._imported]

    @property
    def own_imports(self) -> list[tuple[int, str]]:
        """What of ours is imported, without the package's name: ``core.messages.Tick``."""
        ours = [(at, name.split(".")[1:]) for at, name in self.imports if _root(name) == PACKAGE]
        # The bare package and its `__version__` live in its __init__.
        return [
            (line, "__init__" if parts in ([], ["__version__"]) else ".".join(parts))
            for line, parts in ours
        ]

    @cached_property
    def imported_as(self) -> dict[str, str]:
        """Local name → what it stands for: ``{"dt": "datetime"}``."""
        return {
            a.asname or a.name: f"{base}.{a.name}".lstrip(".")
            for _, base, a in self._imported
            if a.asname or base
        }

    def dotted(self, node: ast.expr) -> str:
        """``dt.datetime.now`` with import aliases undone; ``?`` for what has no plain name."""
        if isinstance(node, ast.Name):
            return self.imported_as.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            return f"{self.dotted(node.value)}.{node.attr}"
        return "?"

    def _base_of(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = (PACKAGE, *self.parts[:-1])
        above = package[: len(package) - node.level + 1]
        return ".".join((*above, node.module) if node.module else above)


Checker = Callable[[Source], Iterable[str]]


def _root(name: str) -> str:
    return name.partition(".")[0]


def _within(name: str, area: str) -> bool:
    return name == area or name.startswith(f"{area}.")


def impure_imports(source: Source) -> Iterator[str]:
    """Libraries in a PURE file that are not on its list."""
    if source.pure:
        for line, name in source.imports:
            if _root(name) != PACKAGE and _root(name) not in PURE_LIBRARIES:
                yield f"{source.path}:{line} imports {name}, and PURE files may not"


def impure_actions(source: Source) -> Iterator[str]:
    """Clock reads, I/O, waiting and run-dependent values in a PURE file."""
    if not source.pure:
        return
    bound = {node.id for node in source.nodes(ast.Name) if isinstance(node.ctx, ast.Store)}
    bound |= {node.arg for node in source.nodes(ast.arg)}
    called = {id(node.func) for node in source.nodes(ast.Call)}
    for node in ast.walk(source.tree):
        where = f"{source.path}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield f"{where} is asynchronous, and the core waits for nothing"
        elif isinstance(node, ast.Attribute):
            owner = _last(source.dotted(node.value))
            is_clock = id(node) in called or owner in {"datetime", "date"}
            if node.attr in CLOCK_READS and is_clock:
                yield f"{where} asks for the time ({node.attr}); in PURE files time arrives as data"
            if node.attr == "sleep":
                yield f"{where} sleeps"
        elif isinstance(node, ast.Name) and node.id in IMPURE_CALLS:
            # `open` and `id` are fair names for a bar's price and an order's id.
            own_name = isinstance(node.ctx, ast.Store) or node.id in bound
            if id(node) in called or not own_name:
                yield f"{where} uses {node.id}, and PURE files do no I/O and depend on no run"


def outward_imports(source: Source) -> Iterator[str]:
    """Our own modules that this file may not import, by the table of the house."""
    allowed = MAY_IMPORT.get(source.area, set()) | {source.area}
    if source.area == "adapters":
        # An adapter knows itself (one file, or one folder) and no other.
        allowed = allowed - {"adapters"} | {".".join(source.parts[:2])}
    if not source.pure:
        allowed = allowed | {"__init__"}
    for line, name in source.own_imports:
        if not any(_within(name, area) for area in allowed):
            yield f"{source.path}:{line} imports {name}; {source.area} may not; see MAY_IMPORT"


def libraries_away_from_home(source: Source) -> Iterator[str]:
    """Brand and heavyweight libraries imported outside the one place that may know them."""
    for line, name in source.imports:
        home = HOME_OF_LIBRARY.get(_root(name))
        if home and not _within(".".join(source.parts), home):
            yield f"{source.path}:{line} imports {name}, which only {home} may"


def naive_datetimes(source: Source) -> Iterator[str]:
    """Calls that make a datetime without a time zone, or a date in the machine's zone."""
    for node in source.nodes(ast.Call):
        name = source.dotted(node.func)
        owner, _, function = name.rpartition(".")
        match _last(owner), function:
            case (("datetime" | "Timestamp"), "now"):
                naive = not _has_zone(node, 0)
            case (("datetime" | "Timestamp"), "fromtimestamp"):
                naive = not _has_zone(node, 1)
            case (("datetime" | "Timestamp" | "date"), _):
                naive = function in {"utcnow", "utcfromtimestamp", "today", "fromtimestamp"}
            case _:
                naive = False
        if name == "datetime.datetime":
            naive = not _has_zone(node, 7, "tzinfo")
        if naive:
            yield f"{source.path}:{node.lineno} {name}() has no time zone"


def _has_zone(call: ast.Call, position: int, keyword: str = "tz") -> bool:
    given = [word.value for word in call.keywords if word.arg in {keyword, None}]
    given += call.args[position : position + 1]
    return any(not (isinstance(value, ast.Constant) and value.value is None) for value in given)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def too_long(source: Source) -> Iterator[str]:
    """Files and functions above the hard ceilings."""
    lines = len(source.text.splitlines())
    if lines > FILE_LINES_MAX:
        yield f"{source.path} has {lines} lines, more than {FILE_LINES_MAX}: split it by subject"
    for node in source.functions:
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > FUNCTION_LINES_MAX:
            yield (
                f"{source.path}:{node.lineno} {node.name} has {length} lines, "
                f"more than {FUNCTION_LINES_MAX}: give its steps names"
            )


def without_module_docstring(source: Source) -> Iterator[str]:
    """Modules that do not say what they decide."""
    if not (ast.get_docstring(source.tree) or "").strip():
        yield f"{source.path} has no docstring"


def banned_endpoints(source: Source) -> Iterator[str]:
    """Gateway calls that act on the whole account, or open a position where there is none.

    ``closeposition`` and ``cancelallorder`` touch everybody's orders, ``placesmartorder`` with size 0
    opens on a flat symbol (docs.openalgo.in). Only the simulated gateway serves them.
    """
    if source.area == "sim":
        return
    docs = {id(node.value) for node in source.nodes(ast.Expr)}
    for node in source.nodes(ast.Constant):
        text = node.value if isinstance(node.value, str) and id(node) not in docs else ""
        for name in sorted(BANNED_ENDPOINTS):
            if name in text.lower():
                yield f"{source.path}:{node.lineno} names {name}, which is never used"


def truthless_tests(source: Source) -> Iterator[str]:
    """Tests whose docstring does not state what is true."""
    for node in source.functions:
        if node.name.startswith("test_") and not ast.get_docstring(node):
            yield f"{source.path}:{node.lineno} {node.name} has no docstring stating its truth"


def strangers(source: Source) -> Iterator[str]:
    """Files and folders at the top of the package that the house does not know."""
    if source.area not in MAY_IMPORT:
        yield (
            f"{source.path}: the house has no {source.area!r}. Put the file into a folder it has, "
            "or add the name to the architecture page and, with what it may import, to MAY_IMPORT "
            "in tests/house_rules.py"
        )


def machine_paths(path: str, text: str) -> Iterator[str]:
    """Absolute paths of somebody's machine."""
    for number, line in enumerate(text.splitlines(), 1):
        if MACHINE_PATH.search(line):
            yield f"{path}:{number} names a path of one machine: {line.strip()[:80]}"
