"""A planted bug: what went wrong in the field, where it is planted, and what has to catch it.

A bug is planted into a copy of the package, never into the package itself.
"""

from __future__ import annotations

from pathlib import Path

import msgspec


class EditError(Exception):
    """An edit does not fit the tree any more. Its text is one line."""


class Edit(msgspec.Struct, frozen=True):
    """One replacement: ``old`` stands exactly once in the file, named from the package's folder."""

    file: str
    old: str
    new: str


class Days(msgspec.Struct, frozen=True):
    """Simulated days that have to catch a bug: ``seeds`` of them from ``start`` on, the faults drawn
    from ``faults`` as the command ``simulate`` names them. ``always``: the one that is named, at every
    chance that it gets.
    """

    faults: str = "all"
    start: int = 0
    seeds: int = 20
    always: bool = False

    @property
    def how(self) -> str:
        """The options of ``simulate`` that play them."""
        return f"--faults {self.faults}{' --always' if self.always else ''}"


class Bug(msgspec.Struct, frozen=True, kw_only=True):
    """One bug. ``field`` says in one sentence what happened to others; ``tests`` are pytest's node ids
    or files, ``days`` what the simulator plays, None when it is not asked.
    """

    name: str
    field: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...] = ()
    days: Days | None = None


def edited(text: str, edit: Edit) -> str:
    """The text with one replacement.

    Raises EditError when ``old`` does not stand there exactly once, or nothing would change.
    """
    found = text.count(edit.old)
    if found != 1:
        raise EditError(f"{edit.file}: found {found} times instead of once: {edit.old!r}")
    if edit.new == edit.old:
        raise EditError(f"{edit.file}: the edit changes nothing: {edit.old!r}")
    return text.replace(edit.old, edit.new)


def plant(bug: Bug, package: Path) -> None:
    """Apply all edits of a bug to a copy of the package.

    Raises EditError when one does not fit.
    """
    for edit in bug.edits:
        path = package / edit.file
        try:
            text = path.read_text()
        except FileNotFoundError:
            raise EditError(f"{bug.name}: there is no {edit.file}") from None
        path.write_text(edited(text, edit))
