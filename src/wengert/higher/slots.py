"""Slots: places outside of a function that it reads, and how they are read and assigned."""

from __future__ import annotations

from typing import Any

MISSING: Any = type("Missing", (), {"__repr__": lambda self: "<missing>"})()


class Slot:
    """A place that a function reads: a key of a dictionary, a cell, a default or an attribute."""

    __slots__ = ("attributes", "holder", "key", "kind", "name")

    def __init__(
        self, kind: str, holder: Any, key: Any, name: str, attributes: tuple[str, ...] = ()
    ) -> None:
        self.kind = kind
        self.holder = holder
        self.key = key
        self.name = name
        self.attributes = attributes

    @property
    def identity(self) -> Any:
        """What tells this place from others."""
        return (self.kind, id(self.holder), self.key, self.attributes)

    @property
    def spelling(self) -> str | None:
        """The last name by which code reads it, None where it goes by more than one."""
        if self.attributes:
            return self.attributes[-1]
        if self.kind == "default":
            code = self.holder.__code__
            first = code.co_argcount - len(self.holder.__defaults__)
            return str(code.co_varnames[first + self.key])
        return None if self.kind == "value" else str(self.key)

    def read(self) -> Any:
        """Return what is there now."""
        kind = self.kind
        if kind == "global":
            value = self.holder.get(self.key, MISSING)
        elif kind == "cell":
            try:
                value = self.holder.cell_contents
            except ValueError:  # not yet assigned
                return MISSING
        elif kind == "default":
            defaults = self.holder.__defaults__ or ()
            value = defaults[self.key] if self.key < len(defaults) else MISSING
        elif kind == "keyword":
            value = (self.holder.__kwdefaults__ or {}).get(self.key, MISSING)
        else:
            value = self.holder
        for attribute in self.attributes:
            value = getattr(value, attribute, MISSING)
        return value

    def store(self, value: Any) -> None:
        """Assign a global, a cell or an attribute."""
        if self.kind == "cell":
            self.holder.cell_contents = value
        elif self.kind == "value":
            setattr(self.holder, self.attributes[0], value)
        else:
            self.holder[self.key] = value
