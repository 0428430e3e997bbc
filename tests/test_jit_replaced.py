"""Compiled functions run the code that is there now: replaced, overridden, or imported inside."""

import collections
import dataclasses
import operator
import sys
import types

import numpy as np
import pytest

import wengert as wg
from wengert.higher.jit import Jitted
from wengert.higher.reading import computes_names


def made(text, name="f", **namespace):
    exec(compile(text, "<cell>", "exec"), namespace)
    return namespace[name]


def agrees(function, changes, arguments=(3.0,)):
    """Check each call against the function as it is, before and after each change."""
    compiled = wg.jit(function)
    for change in (lambda: None, *changes):
        change()
        expected = function(*arguments)
        for _ in range(4):  # recorded, evaluated, compiled, by the native entry
            assert compiled(*arguments) == expected
    return compiled


def scaled(factor, kind="code"):
    function = made(f"def f(x, s=2.0, *, t='a'):\n    return x * {factor} * s")
    return getattr(function, f"__{kind}__")


@pytest.fixture
def settings():
    module = types.ModuleType("wengert_settings")
    module.rate = 2.0
    module.scale = lambda x: x * module.rate
    sys.modules["wengert_settings"] = module
    yield module
    del sys.modules["wengert_settings"]


# ------------------------------------------------------------------ functions


@pytest.mark.parametrize("called", [False, True], ids=["itself", "called"])
def test_code_that_is_replaced_in_place(called):
    f = made("def f(x):\n    return x * 2.0")
    outer = made("def g(x):\n    return f(x) + 1.0", "g", f=f) if called else f
    codes = [made(f"def f(x):\n    return x * {k}").__code__ for k in (5.0, 7.0)]
    first = f.__code__
    compiled = agrees(
        outer, [lambda code=code: setattr(f, "__code__", code) for code in (*codes, first)]
    )
    assert "the code of f" in compiled.explain()


def test_code_of_closures_and_methods_that_is_replaced():
    def outer(k):
        def inner(x):
            return x * k

        return inner

    def other(k):
        def inner(x):
            return x - k

        return inner

    inner = outer(2.0)
    agrees(inner, [lambda: setattr(inner, "__code__", other(1.0).__code__)])

    class Model:
        def step(self, x):
            return x * 2.0

        def __call__(self, x):
            return self.step(x) + 1.0

    model = Model()
    replacement = made("def step(self, x):\n    return x * 9.0", "step").__code__
    agrees(model, [lambda: setattr(Model.step, "__code__", replacement)])
    agrees(model.step, [lambda: setattr(Model.step, "__code__", (lambda self, x: -x).__code__)])


CALLED = """
def g(x, a=2.0, b='up'):
    return x * a if b == 'up' else x - a

def h(x, *, t=2.0, u='up'):
    return x * t if u == 'up' else x - t

def f(x):
    return g(x) + h(x)
"""


def test_defaults_that_are_replaced():
    space = {}
    exec(compile(CALLED, "<cell>", "exec"), space)
    g, h, f = space["g"], space["h"], space["f"]
    changes = [(5.0, "up"), (5.0, "down"), (6, "up"), (2.0, 3.0, "down"), (1.0, 2.0, "up")]
    agrees(f, [lambda new=new: setattr(g, "__defaults__", new) for new in changes[:3]])
    keywords = [{"t": 3.0, "u": "up"}, {"t": 3.0, "u": "down"}]
    agrees(f, [lambda new=new: setattr(h, "__kwdefaults__", new) for new in keywords])


def test_more_and_fewer_defaults():
    g = made("def g(x, a=2.0):\n    return x * a", "g")
    f = made("def f(x):\n    return g(x)", g=g)
    compiled = agrees(f, [lambda: setattr(g, "__defaults__", (1.0, 3.0))])
    g.__defaults__ = None
    with pytest.raises(TypeError, match="missing"):
        compiled(3.0)
    g.__defaults__ = (4.0,)
    assert compiled(3.0) == 12.0


def test_defaults_of_the_compiled_function():
    def f(x, a=2.0, *, mode="up"):
        return x * a if mode == "up" else x - a

    agrees(
        f,
        [
            lambda: setattr(f, "__defaults__", (5.0,)),
            lambda: setattr(f, "__kwdefaults__", {"mode": "down"}),
            lambda: setattr(f, "__kwdefaults__", {"mode": "up"}),
        ],
    )


# ------------------------------------------------------------------ methods


class Base:
    def step(self, x):
        return x * 2.0

    def run(self, x):
        return self.step(x) + 1.0

    def __call__(self, x):
        return self.run(x)

    def __neg__(self):
        return 3.0

    @property
    def rate(self):
        return 2.0

    @classmethod
    def named(cls, x):
        return x * cls.factor

    factor = 2.0


def classes():
    """A class of its own, so that tests may change it, one below it, and an object."""
    top = type("Top", (Base,), {"step": lambda self, x: x * 2.0, "factor": 2.0})
    below = type("Below", (top,), {})
    return top, below, below()


WAYS = {
    "called on": lambda thing: lambda x: thing.step(x),
    "bound": lambda thing: thing.run,
    "object": lambda thing: thing,
    "through another": lambda thing: lambda x: thing.run(x) * 2.0,
    "in a list": lambda thing: lambda x, held=[thing]: held[0].step(x),
}


@pytest.mark.parametrize("way", WAYS)
def test_methods_overridden_on_the_object_and_its_classes(way):
    top, below, thing = classes()
    other = type("Other", (top,), {"step": lambda self, x: x - 7.0})
    twin = below()
    agrees(
        WAYS[way](thing),
        [
            lambda: setattr(thing, "step", lambda x: x * 5.0),
            lambda: setattr(thing, "step", twin.step),
            lambda: delattr(thing, "step"),
            lambda: setattr(thing, "__dict__", {"step": lambda x: x - 5.0}),
            lambda: setattr(thing, "__dict__", {}),
            lambda: setattr(below, "step", lambda self, x: x * 7.0),
            lambda: delattr(below, "step"),
            lambda: setattr(top, "step", lambda self, x: x * 11.0),
            lambda: setattr(thing, "__class__", other),
        ],
    )


def test_methods_overridden_on_objects_that_answer_for_any_name():
    class Proxy:
        def __getattr__(self, name):
            return lambda x: x * 2.0

    proxy = Proxy()
    agrees(
        lambda x: proxy.step(x),
        [lambda: setattr(proxy, "step", lambda x: x * 3.0), lambda: delattr(proxy, "step")],
    )


def test_objects_of_arrays_read_by_computed_names():
    held = [types.SimpleNamespace(rate=np.arange(3.0) + k) for k in range(2)]
    compiled = wg.jit(lambda x: sum(x * getattr(one, PART + "te") for one in held))
    for change in (lambda: None, lambda: setattr(held[1], "rate", np.ones(3))):
        change()
        for _ in range(3):
            np.testing.assert_array_equal(compiled(2.0), 2.0 * (held[0].rate + held[1].rate))


def test_methods_overridden_on_records():
    @dataclasses.dataclass
    class Scale:
        rate: float = 2.0

        def step(self, x):
            return x * self.rate

    class Pair(collections.namedtuple("Pair", "rate other")):
        def step(self, x):
            return x * self.rate

    for record in (Scale(), Pair(2.0, 3.0)):
        agrees(
            lambda x, record=record: record.step(x),
            [
                lambda record=record: setattr(record, "step", lambda x: x - 1.0),
                lambda record=record: delattr(record, "step"),
                lambda record=record: setattr(type(record), "step", lambda self, x: x * 9.0),
            ],
        )
    Scale.step = lambda self, x: x * self.rate
    scale = Scale()
    agrees(
        lambda x: scale.step(x),
        [
            lambda: setattr(scale, "rate", 5.0),
            lambda: setattr(scale, "step", lambda x: x - scale.rate),
            lambda: setattr(scale, "rate", 7.0),
        ],
    )


def test_methods_of_arguments():
    _, below, thing = classes()
    agrees(
        lambda model, x: model.run(x),
        [
            lambda: setattr(thing, "step", lambda x: x * 5.0),
            lambda: setattr(below, "run", lambda self, x: x * 7.0),
        ],
        (thing, 3.0),
    )


def test_what_classes_below_get_of_their_own():
    top, below, thing = classes()
    compiled = lambda x: -thing * x + thing.rate * below.factor + below.named(x)  # noqa: E731
    agrees(
        compiled,
        [
            lambda: setattr(below, "__neg__", lambda self: 5.0),
            lambda: setattr(below, "rate", property(lambda self: 7.0)),
            lambda: setattr(below, "factor", 11.0),
            lambda: setattr(below, "named", classmethod(lambda cls, x: x - 1.0)),
            lambda: setattr(thing, "__class__", top),
        ],
    )


def test_bound_methods_do_not_leave_the_native_entry():
    _, _, thing = classes()
    compiled = wg.jit(lambda x: thing.step(x))
    for _ in range(4):
        compiled(3.0)
    if compiled._entry is None:
        pytest.skip("no native entry on this interpreter")
    fallbacks = []
    whole = Jitted._call
    try:
        Jitted._call = lambda self, *given: fallbacks.append(1) or whole(self, *given)
        for _ in range(3):
            assert compiled(3.0) == 6.0
        assert fallbacks == []
        thing.step = lambda x: x * 5.0
        assert compiled(3.0) == 15.0
        assert fallbacks == [1]
    finally:
        Jitted._call = whole


# ------------------------------------------------------------------ names that are computed

PART = "ra"
COMPUTED = [
    "getattr(held, PART + 'te')",
    "getattr(held, f'{PART}te')",
    "getattr(held, 'rate' if PART else 'other', 1.0)",
    "asked(held, PART + 'te')",
    "ask(held, PART + 'te')",
    "vars(held).get(PART + 'te')",
    "held.__dict__[PART + 'te']",
    "held.__getattribute__(PART + 'te')",
    "operator.attrgetter(PART + 'te')(held)",
    "sum(getattr(held, name) for name in vars(held) if name == 'rate')",
    "(getattr(held, PART + 'tes', 1.0) + held.rate)",
    "(7.0 if hasattr(held, PART + 'tes') else held.rate)",
    "getattr(Holder(held), PART + 'te')",
    "getattr(held, PART + 'nk')(held.rate)",
]


def ask(held, name):
    return getattr(held, name)


class Holder:
    def __init__(self, held):
        self.held = held

    @property
    def rate(self):
        return self.held.rate


def rank(rate):
    return rate + 1.0


@pytest.mark.parametrize("read", COMPUTED)
def test_attributes_by_names_that_are_computed(read):
    held = types.SimpleNamespace(rate=2.0, mode="up", rank=rank)
    f = made(
        f"def f(x):\n    return x * {read}",
        held=held,
        PART=PART,
        asked=getattr,
        ask=ask,
        operator=operator,
        Holder=Holder,
    )
    changes = [("rate", 5.0), ("rank", lambda rate: rate - 1.0)]
    if "'tes'" in read:  # it is not there at first
        changes += [("rates", 3.0), ("rates", 4.0)]
    agrees(f, [lambda change=change: setattr(held, *change) for change in changes])


def test_methods_by_names_that_are_computed():
    _, below, thing = classes()
    agrees(
        lambda x: getattr(thing, PART.replace("ra", "st") + "ep")(x),
        [
            lambda: setattr(below, "step", lambda self, x: x * 7.0),
            lambda: setattr(thing, "step", lambda x: x * 5.0),
        ],
    )


def test_what_is_read_of_modules_by_computed_names_runs_uncompiled(settings):
    read = "x * getattr(settings, PART + 'te')"
    compiled = agrees(
        made(f"def f(x):\n    return {read}", settings=settings, PART=PART),
        [lambda: setattr(settings, "rate", 5.0)],
    )
    assert "attributes of settings may be read by names" in compiled.explain()
    # One of a library's, and one of the user's whose names are seen, are no reason.
    read = "getattr(np, key)(x) * settings.rate"
    compiled = agrees(
        made(f"def f(x):\n    return {read}", settings=settings, key="tanh", np=np),
        [lambda: setattr(settings, "rate", 7.0)],
    )
    assert "runs uncompiled" not in compiled.explain()


WRITTEN = [
    ("getattr(o, 'a')", True),
    ("getattr(o, 'a', 1.0)", True),
    ("getattr(o.p.q(x, y), 'a', 1.0 + x)", True),
    ("getattr(o.p(x, *y), 'a', f(x))", True),
    ("hasattr(o, 'a') and getattr(o, 'b')", True),
    ("operator.attrgetter('a')(o)", True),
    ("[getattr(o, 'a') for o in x]", True),
    ("o.getter('a')", True),
    ("getattr(o, n)", False),
    ("getattr(o, 'a' + n)", False),
    ("getattr(o, 'a' if x else n)", False),
    ("getattr(getattr(o, n), 'a')", False),
    ("getattr(o, getattr(p, 'a'))", False),
    ("getattr(*x)", False),
    ("list(map(getattr, o, x))", False),
    ("[getattr(o, n) for o in x]", False),
    ("operator.attrgetter(n)(o)", False),
    ("vars(o)", False),
]


@pytest.mark.parametrize(("text", "written"), WRITTEN)
def test_names_that_are_written_in_the_call_are_told_from_others(text, written):
    assert computes_names(made(f"def f(o, p, n, x, y):\n    return {text}").__code__) != written


# ------------------------------------------------------------------ modules


IMPORTING = [
    "import wengert_settings\n    return x * wengert_settings.rate",
    "import wengert_settings as s\n    return s.scale(x)",
    "from wengert_settings import rate\n    return x * rate",
    "from wengert_settings import scale as s\n    return s(x)",
]


@pytest.mark.parametrize("body", IMPORTING)
def test_modules_that_are_imported_inside_are_compared(body, settings):
    compiled = agrees(
        made(f"def f(x):\n    {body}"),
        [lambda: setattr(settings, "rate", 5.0), lambda: setattr(settings, "scale", np.negative)],
    )
    assert "runs uncompiled" not in compiled.explain()


def test_modules_in_closures_are_compared(settings):
    def outer():
        import wengert_settings

        return lambda x: x * wengert_settings.rate

    compiled = agrees(outer(), [lambda: setattr(settings, "rate", 5.0)])
    assert "1 recording, 1 path" in compiled.explain()  # the rate is an argument


def test_a_module_that_takes_the_place_of_another(settings):
    other = types.ModuleType("wengert_settings")
    other.rate = 7.0
    f = made("def f(x):\n    import wengert_settings\n    return x * wengert_settings.rate")
    agrees(f, [lambda: sys.modules.update(wengert_settings=other)])


def test_modules_that_are_first_imported_inside(tmp_path, monkeypatch):
    package = tmp_path / "wengert_inside"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "numbers.py").write_text("rate = 2.0\n")
    (package / "model.py").write_text(
        "def f(x):\n    from . import numbers\n    return x * numbers.rate\n"
        "def g(x):\n    from .numbers import rate as r\n    return x - r\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        from wengert_inside import model

        compiled = [wg.jit(model.f), wg.jit(model.g)]
        assert [f(3.0) for f in compiled] == [6.0, 1.0]
        assert [f(3.0) for f in compiled] == [6.0, 1.0]
        sys.modules["wengert_inside.numbers"].rate = 4.0
        for _ in range(3):
            assert [f(3.0) for f in compiled] == [12.0, -1.0]
    finally:
        for name in ("", ".numbers", ".model"):
            sys.modules.pop(f"wengert_inside{name}", None)


HIDDEN = [
    ("import importlib", "importlib.import_module('wengert_settings').rate"),
    ("from importlib import import_module", "import_module('wengert_' + 'settings').rate"),
    ("import sys", "sys.modules['wengert_settings'].rate"),
    ("from sys import modules", "modules['wengert_settings'].rate"),
    ("", "__import__('wengert_settings').rate"),
]


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside"])
@pytest.mark.parametrize(("line", "read"), HIDDEN)
def test_what_may_read_any_module_runs_uncompiled(line, read, inside, settings):
    first, then = ("", line) if inside else (line, "")
    text = f"{first}\ndef f(x):\n    {then}\n    return x * {read}"
    compiled = agrees(made(text), [lambda: setattr(settings, "rate", 5.0)])
    assert "runs uncompiled" in compiled.explain()
    assert "may lead to anything" in compiled.explain() or "__import__()" in compiled.explain()
