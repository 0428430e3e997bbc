"""Captures: what a function reads besides its arguments, from closures, defaults and globals.

Arrays and floats among it become implicit arguments: they are read at each call, and a clone of the
function, whose cells and globals hold the staged values, is what is recorded. The rest is compared
with what it was.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from .. import tree
from ..errors import PACKAGE
from ..tracing.callsite import is_user_code
from .implicit_arguments import is_container, is_implicit, is_lifted
from .imports import imported_by, is_user_module, opaque
from .lifting import ObjectClones, liftable
from .objects import (
    attribute_names,
    attributes_read,
    called,
    functions_inside,
    functions_within,
    names_in,
    names_spelled,
)
from .randomness import draws
from .reading import ASKING, computes_names, names_read, reads_of
from .remembering import COMPARED, CONTAINERS, CannotCompareError, Contents, Memory, is_same
from .slots import MISSING, Slot

# Builtins through which code reads by names that cannot be seen.
_READING_ALL = frozenset({"eval", "exec", "globals", "__import__"})


class Wrapper:
    """A callable of ours that means what a function of the user's means."""

    __wengert_function__: Any


class Captures:
    """What some functions read from outside, as found when they were looked at.

    Attributes
    ----------
    implicit : list of Slot
        Read at each call; their values are further arguments.
    constant : list of (Slot, value)
        Compared at each call.
    refused : str or None
        Why the functions cannot be compiled: something that they read cannot be compared.
    """

    def __init__(self, roots: Sequence[Any], lifts: bool = True) -> None:
        self.roots = tuple(roots)
        self.implicit: list[Slot] = []
        self.constant: list[tuple[Slot, Any]] = []
        self.refused: str | None = None
        # Random generators in sight, whose states tell whether the function draws numbers.
        self.generators: list[Any] = []
        # The code of functions, the number of their defaults, and the types of objects, as found.
        self.ran: list[tuple[FunctionType, CodeType, int]] = []
        self.kinds: dict[int, tuple[Any, type]] = {}
        # Where attributes are read by names that are computed: the dictionaries, and their names.
        self.spaces: dict[int, tuple[dict[str, Any], list[str]]] = {}
        self._asks = False  # whether getattr or its kin has another name
        self._whole: list[str] = []  # modules of which more may be read than is seen
        self._functions: dict[int, FunctionType] = {}
        self._namespaces: dict[int, dict[str, Any]] = {}
        self._modules: dict[int, ModuleType] = {}
        self._wrapped: dict[int, Any] = {}
        self._seen: set[Any] = set()
        self._visited: dict[Any, Any] = {}
        self._opened: dict[int, Any] = {}
        # Functions that run as they are, and the objects that they are methods of.
        self.uncloned: list[tuple[FunctionType, Any]] = []
        # Objects and containers of which clones are recorded, and what such functions hold.
        self.lifted: dict[int, Any] = {}
        self._held: list[Any] = []
        self._fixed: list[Any] = []
        for root in roots:
            if isinstance(root, (np.ndarray, *CONTAINERS)):
                self._compare(Slot("value", root, None, f"a {type(root).__name__}"), root)
            self._visit(root)
        names = self._look_at_objects()
        if lifts:
            self._lift(names)
        self.constant = [(slot, self._remembered(slot, value)) for slot, value in self.constant]

    @property
    def codes(self) -> list[CodeType]:
        """The user's code that the functions run, as far as it can be seen."""
        codes = [function.__code__ for function, _ in self._visited.values()]
        return [code for code in codes if is_user_code(code)]

    # -------------------------------------------------------------- looking

    def _look_at_objects(self) -> frozenset[str]:
        """Note the attributes of objects in reach that some function names, and their methods."""
        known = -1
        names: frozenset[str] = frozenset()
        while known < len(self._visited):
            known = len(self._visited)
            spelled = {name for _, value in self.constant for name in names_spelled(value)}
            names = frozenset(spelled).union(*map(names_in, self.codes))
            computed = self._asks or any(map(computes_names, self.codes))
            roots = [*self.roots, *(instance for _, instance in self._visited.values())]
            roots += [value for _, value in self.constant]
            roots += [slot.read() for slot in self.implicit]
            if computed:
                for name in self._whole:
                    self.refused = f"attributes of {name} may be read by names that are computed"
                spaces, held = attribute_names(roots)
                self.spaces.update((id(space[0]), space) for space in spaces)
                names |= held
            for holder, name, value in attributes_read(roots, names):
                if name == "__class__":
                    self.kinds[id(holder)] = (holder, value)
                    continue
                if name == "__dict__" and name not in names:
                    if type(value) is dict:
                        self.spaces.setdefault(id(value), (value, list(value)))
                    continue
                self._watch(value)
                self._visit(called(value), cloned=False)
                if isinstance(value, CONTAINERS):
                    for function in functions_within(value):
                        self._visit(function, cloned=False)
                kind = holder if isinstance(holder, type) else type(holder)
                slot = Slot("value", holder, None, f"{kind.__name__}.{name}", (name,))
                # Properties are compared on their classes.
                if not isinstance(value, MethodType) or is_same(slot.read(), value):
                    self._compare(slot, value)
        return names

    def _lift(self, names: frozenset[str]) -> None:
        """Make arguments of numbers that objects hold, where no other function can see them."""
        roots = [*self.roots, *self._wrapped.values(), *self._held]
        places, self.lifted = liftable(roots, self._fixed, names, is_lifted)
        lifted = {(id(holder), name) for holder, name in places}
        if not lifted:
            return
        self.constant = [
            (slot, value) for slot, value in self.constant if not self._leads_to(slot, lifted)
        ]
        for holder, name in places:
            self.implicit.append(
                Slot("value", holder, None, f"{type(holder).__name__}.{name}", (name,))
            )

    def _leads_to(self, slot: Slot, places: set[tuple[int, str]]) -> bool:
        """Return whether a slot is one of some attributes of objects, or a way to one."""
        value = (
            Slot(slot.kind, slot.holder, slot.key, slot.name).read() if slot.attributes else None
        )
        for attribute in slot.attributes:
            if (id(value), attribute) in places:
                return True
            value = getattr(value, attribute, MISSING)
        return False

    def _visit(self, value: Any, cloned: bool = True) -> None:
        """Look into something callable.

        What is not `cloned` runs as it is while the function is recorded: methods, and what they
        call. Numbers that it reads are compared at each call.
        """
        if isinstance(value, FunctionType):
            self._visit_function(value, None, cloned)
        elif isinstance(value, MethodType):
            if isinstance(value.__func__, FunctionType):
                if cloned:
                    self._wrapped[id(value)] = value
                self._visit_function(value.__func__, value.__self__, cloned)
        elif isinstance(value, functools.partial):
            if not cloned:
                for part in (value.func, *value.args, *value.keywords.values()):
                    self._visit(part, cloned)
            elif id(value) not in self._wrapped:
                self._wrapped[id(value)] = value
                self._visit(value.func)
                for part in (*value.args, *value.keywords.values()):
                    self._visit(part)
                self._note(Slot("value", value, None, "functools.partial", ("args",)))
                self._note(Slot("value", value, None, "functools.partial", ("keywords",)))
        elif isinstance(value, Wrapper):
            if cloned:
                self._wrapped[id(value)] = value
            self._visit(value.__wengert_function__, cloned)
        else:
            called = vars(type(value)).get("__call__")
            if isinstance(called, FunctionType):
                self._visit_function(called, value, False)
            if callable(value) and not isinstance(value, type):
                self._visit_inside(value)

    def _visit_inside(self, value: Any) -> None:
        """Look into the user's functions that a callable of a library holds."""
        if id(value) not in self._opened:
            self._opened[id(value)] = value
            for part in functions_inside(value):
                if is_callable_of_user(part):
                    self._visit(part, cloned=False)

    def _visit_function(self, function: FunctionType, instance: Any, cloned: bool) -> None:
        if (id(function), id(instance), cloned) in self._visited:
            return
        self._visited[id(function), id(instance), cloned] = (function, instance)
        code = function.__code__
        own = code.co_filename.startswith(PACKAGE)
        if not own and not is_user_code(code):
            self._visit_inside(function)
            return
        if cloned:
            self._functions[id(function)] = function
        else:
            self.uncloned.append((function, instance))
        if not own and all(known is not function for known, _, _ in self.ran):
            self.ran.append((function, code, len(function.__defaults__ or ())))
        name = function.__qualname__
        if own:  # a transformation around a user's function
            for cell, key in zip(function.__closure__ or (), code.co_freevars, strict=True):
                value = Slot("cell", cell, key, key).read()
                if is_callable_of_user(value):
                    self._visit(value, cloned)
            return
        if cloned:
            self._namespaces[id(function.__globals__)] = function.__globals__
        cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        for key, cell in cells.items():
            self._note(Slot("cell", cell, key, f"{key} (closure of {name})"), cloned)
        for position, _ in enumerate(function.__defaults__ or ()):
            self._note(Slot("default", function, position, f"a default of {name}"), cloned)
        for key in function.__kwdefaults__ or {}:
            slot = Slot("keyword", function, key, f"the default of {key} in {name}")
            self._note(slot, cloned)
        self._note_imports(function)
        first = code.co_varnames[0] if instance is not None and code.co_argcount else None
        for kind, key, attributes in reads_of(code).chains:
            if kind == "global":
                self._note_global(function.__globals__, key, attributes, cloned)
            elif kind == "cell" and key in cells:
                slot = Slot("cell", cells[key], key, key)
                self._note_read(slot, slot.read(), attributes, cloned)
            elif kind == "local" and key == first:
                self._note_chain(Slot("value", instance, None, key), instance, attributes)

    def _note_global(
        self, namespace: dict[str, Any], key: str, attributes: tuple[str, ...], cloned: bool
    ) -> None:
        slot = Slot("global", namespace, key, key)
        value = slot.read()
        self._note(slot, cloned)
        if value is MISSING:  # a builtin, or not yet defined
            if key in _READING_ALL:
                self.refused = f"{key}() may read anything"
            return
        self._note_read(slot, value, attributes, cloned)

    def _note_read(self, slot: Slot, value: Any, attributes: tuple[str, ...], cloned: bool) -> None:
        """Note what is read of what a slot holds: a module, or an object."""
        self._refuse_opaque(value, attributes)
        if not attributes and is_user_module(value):
            self._whole.append(slot.name)
        if attributes and is_user_module(value):
            if cloned:
                self._modules[id(value)] = value
                self._namespaces[id(value.__dict__)] = value.__dict__
            self._note_global(value.__dict__, attributes[0], attributes[1:], cloned)
            return
        self._note_chain(slot, value, attributes)

    def _refuse_opaque(self, value: Any, names: tuple[str, ...] | frozenset[str]) -> None:
        if (hidden := opaque(value, names)) is not None:
            self.refused = f"{hidden} may lead to anything"

    def _note_imports(self, function: FunctionType) -> None:
        """Note the modules that a function imports while it runs, and what it may read of them."""
        names = names_in(function.__code__)
        waiting: list[Any] = []
        for full, module in imported_by(function):
            self._refuse_opaque(module, names)
            if module is MISSING or is_user_module(module):
                self._compare(Slot("global", sys.modules, full, f"the module {full}"), module)
                waiting.append(module)
                self._whole += [full] * (module is not MISSING)
        for module in waiting:
            space = getattr(module, "__dict__", {})
            for name in names & space.keys():
                self._note_global(space, name, (), cloned=False)
                if is_user_module(space[name]) and space[name] not in waiting:
                    waiting.append(space[name])

    def _note_chain(self, root: Slot, value: Any, attributes: tuple[str, ...]) -> None:
        """Note the attributes of an object that is not a module, down a chain."""
        if isinstance(value, ModuleType) or is_implicit(value) or is_container(value):
            return
        if callable(value) and not hasattr(value, "__dict__"):
            return
        taken: tuple[str, ...] = ()
        for attribute in attributes:
            taken += (attribute,)
            value = getattr(value, attribute, MISSING)
            name = ".".join((root.name, *taken))
            slot = Slot(root.kind, root.holder, root.key, name, taken)
            if value is MISSING:
                self._compare(slot, MISSING)
                return
            self._watch(value)
            if callable(value):
                self._visit(value, cloned=False)
                return
            if isinstance(value, (*COMPARED, np.generic, np.ndarray, list, dict, set)):
                self._compare(slot, value)
                return

    def _note(self, slot: Slot, cloned: bool = True) -> None:
        if (slot.identity, cloned) in self._seen:
            return
        self._seen.add((slot.identity, cloned))
        value = slot.read()
        self._asks = self._asks or any(value is function for function in ASKING)
        (self._held if cloned else self._fixed).append(value)
        self._watch(value)
        if cloned and (is_implicit(value) or is_container(value)):
            self.implicit.append(slot)
            if not is_implicit(value):
                for leaf in tree.leaves(value):
                    self._visit(leaf)
            return
        self.constant.append((slot, value))
        self._visit(value, cloned)

    def _watch(self, value: Any) -> None:
        """Note a random generator, also where one of its methods is what is read."""
        if isinstance(value, (BuiltinFunctionType, MethodType)):
            value = value.__self__
        if draws(value):
            self.generators.append(value)

    def _compare(self, slot: Slot, value: Any) -> None:
        if slot.identity not in self._seen:
            self._seen.add(slot.identity)
            self.constant.append((slot, value))

    def _remembered(self, slot: Slot, value: Any) -> Any:
        """Return what a value is compared with at each call."""
        try:
            return Memory().of(value)
        except CannotCompareError as error:
            self.refused = f"{slot.name} {error}"
            return value

    def refresh(self) -> str | None:
        """Take containers for what they are now: the recorded function itself has changed them.

        Returns
        -------
        str or None
            The name of one that code reads, too, so that each call changes what the next one
            does; they are then left as they were, which `changed` tells of.
        """
        changed = [
            slot for slot, value in self.constant if type(value) is Contents and not value.holds()
        ]
        if not changed:
            return None
        read = frozenset().union(*map(names_read, self.codes))
        for slot in changed:
            if slot.spelling is None or slot.spelling in read:
                return slot.name
        self.constant = [
            (slot, Memory().of(value.holder) if type(value) is Contents else value)
            for slot, value in self.constant
        ]
        return None

    # -------------------------------------------------------------- at each call

    def changed(self) -> str | None:
        """Return what is no longer as it was found, None where all is."""
        for function, code, count in self.ran:
            if function.__code__ is not code or len(function.__defaults__ or ()) != count:
                return f"the code of {function.__qualname__}"
        for holder, kind in self.kinds.values():
            if type(holder) is not kind:
                return f"the type of a {kind.__name__}"
        for space, names in self.spaces.values():
            if list(space) != names:
                return "the attributes of an object"
        for slot, value in self.constant:
            found = slot.read()
            if found is not value and not is_same(found, value):
                return slot.name
        for slot in self.implicit:
            value = slot.read()
            if not is_implicit(value) and not is_container(value):
                return slot.name
        return None

    def values(self) -> list[Any]:
        """Return what the implicit arguments are now."""
        return [slot.read() for slot in self.implicit]


class Clones:
    """Clones of captured functions, and what they assigned to names outside."""

    def __init__(self, captures: Captures) -> None:
        self._captures = captures
        self._made: dict[int, Any] = {}
        self._cells: dict[int, tuple[CellType, CellType, Any]] = {}
        self._spaces: dict[int, dict[str, Any]] = {}
        self._values: dict[Any, Any] = {}
        self._before: dict[int, dict[str, Any]] = {}
        modules = {id(module.__dict__): module for module in captures._modules.values()}
        for key, namespace in captures._namespaces.items():
            proxy = ModuleType(str(namespace.get("__name__", "clone")))
            proxy.__dict__.clear()
            proxy.__dict__.update(namespace)
            self._spaces[key] = proxy.__dict__
            if key in modules:
                self._made[id(modules[key])] = proxy
        self._objects = ObjectClones(captures.lifted, self._made)
        # Every clone exists before any is filled: functions refer to each other.
        for function in captures._functions.values():
            self._made[id(function)] = self._shell(function)

    def fill(self, values: Sequence[Any]) -> None:
        """Give the clones their values for the implicit arguments, and each other."""
        captures = self._captures
        self._values = {
            slot.identity: value for slot, value in zip(captures.implicit, values, strict=True)
        }
        self._objects.fill(
            {
                (id(slot.holder), slot.attributes[0]): value
                for slot, value in zip(captures.implicit, values, strict=True)
                if slot.kind == "value" and len(slot.attributes) == 1
            }
        )
        for wrapped in captures._wrapped.values():
            self._wrap(wrapped)
        for slot, value in captures.constant:
            value = value.holder if type(value) is Contents else value
            if slot.kind == "global" and id(value) in self._made and not slot.attributes:
                space = self._spaces.get(id(slot.holder))
                if space is not None:
                    space[slot.key] = self._made[id(value)]
        for slot, value in zip(captures.implicit, values, strict=True):
            if slot.kind == "global":
                self._spaces[id(slot.holder)][slot.key] = value
        for original, cell, _ in list(self._cells.values()):
            self._fill_cell(original, cell)
        for function in captures._functions.values():
            self._fill_defaults(function)
        stored: dict[int, set[str]] = {}
        for function in captures._functions.values():
            names = reads_of(function.__code__).stored_globals
            if names:
                stored.setdefault(id(function.__globals__), set()).update(names)
        self._before = {
            key: {name: self._spaces[key].get(name, MISSING) for name in names}
            for key, names in stored.items()
            if key in self._spaces
        }

    def of(self, function: Any) -> Any:
        """Return the clone of a function, or itself where it has none."""
        return self._made.get(id(function), function)

    def _shell(self, function: FunctionType) -> FunctionType:
        closure = None
        if function.__closure__ is not None:
            closure = tuple(self._cell(cell) for cell in function.__closure__)
        space = self._spaces.get(id(function.__globals__), function.__globals__)
        clone = FunctionType(
            function.__code__, space, function.__name__, function.__defaults__, closure
        )
        clone.__kwdefaults__ = function.__kwdefaults__
        clone.__qualname__ = function.__qualname__
        clone.__module__ = function.__module__
        clone.__doc__ = function.__doc__
        clone.__dict__.update(function.__dict__)
        return clone

    def _cell(self, original: CellType) -> CellType:
        known = self._cells.get(id(original))
        if known is None:
            known = self._cells[id(original)] = (original, CellType(), None)
        return known[1]

    def _fill_cell(self, original: CellType, cell: CellType) -> None:
        slot = Slot("cell", original, None, "")
        value = slot.read()
        for key, given in self._values.items():
            if key[0] == "cell" and key[1] == id(original):
                value = given
                break
        else:
            value = self._made.get(id(value), value)
        if value is not MISSING:
            cell.cell_contents = value
        self._cells[id(original)] = (original, cell, value)

    def _fill_defaults(self, function: FunctionType) -> None:
        clone = self._made[id(function)]
        if function.__defaults__:
            clone.__defaults__ = tuple(
                self._values.get(("default", id(function), position, ()), self.of(value))
                for position, value in enumerate(function.__defaults__)
            )
        if function.__kwdefaults__:
            clone.__kwdefaults__ = {
                key: self._values.get(("keyword", id(function), key, ()), self.of(value))
                for key, value in function.__kwdefaults__.items()
            }

    def _wrap(self, value: Any) -> Any:
        """Return the clone of a method, partial or compiled function."""
        if id(value) in self._made:
            return self._made[id(value)]
        made: Any
        if isinstance(value, MethodType):
            made = MethodType(self.of(value.__func__), self.of(value.__self__))
        elif isinstance(value, functools.partial):
            identity = ("value", id(value), None)
            args = self._values.get((*identity, ("args",)), value.args)
            keywords = self._values.get((*identity, ("keywords",)), value.keywords)
            made = functools.partial(
                self._inner(value.func),
                *(self._inner(part) for part in args),
                **{key: self._inner(part) for key, part in keywords.items()},
            )
        else:
            made = self._inner(value.__wengert_function__)
        self._made[id(value)] = made
        return made

    def _inner(self, value: Any) -> Any:
        if id(value) in self._captures._wrapped:
            return self._wrap(value)
        return self.of(value)

    def has_new_attributes(self) -> bool:
        """Return whether attributes of a function were assigned: of the clone, that is."""
        return any(
            vars(self._made[key]).keys() != vars(function).keys()
            or any(
                vars(self._made[key])[name] is not value for name, value in vars(function).items()
            )
            for key, function in self._captures._functions.items()
        )

    def stores(self) -> list[tuple[Slot, Any]]:
        """Return the names outside that were assigned, and what they were assigned."""
        found = []
        for key, names in self._before.items():
            namespace = self._captures._namespaces[key]
            for name, before in names.items():
                value = self._spaces[key].get(name, MISSING)
                if value is not before and value is not MISSING:
                    found.append((Slot("global", namespace, name, name), value))
        for original, cell, before in self._cells.values():
            value = Slot("cell", cell, None, "").read()
            if value is not before and value is not MISSING:
                found.append((Slot("cell", original, None, "a closure cell"), value))
        for holder, name, value in self._objects.assigned():
            found.append((Slot("value", holder, None, name, (name,)), value))
        return found

    def refuse(self, value: Any) -> None:
        """Raise where what leaves the function leads to a clone of an object."""
        self._objects.refuse(value)


def is_callable_of_user(value: Any) -> bool:
    """Return whether a value is something callable that a clone could stand for."""
    return isinstance(value, (FunctionType, MethodType, functools.partial, Wrapper))
