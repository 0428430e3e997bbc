"""`jit` never changes meaning: what code reads through classes, operators, wrappers and containers.

Each function reads a global that changes between the calls, or changes what the next call reads.
"""

import contextlib
import functools
import types

import numpy as np
import pytest

import wengert as wg

POINT = np.array([1.0, 2.0])

# Functions f of an array that read the number k by one way each.
READING = {
    "a class called inside": """
        class C:
            def __init__(self): self.z = k
        def f(x): return x * C().z""",
    "a method of a class called inside": """
        class C:
            def go(self, x): return x * k
        def f(x): return C().go(x)""",
    "a property": """
        class C:
            @property
            def z(self): return k
        def f(x): return x * C().z""",
    "a cached property": """
        import functools
        class C:
            @functools.cached_property
            def z(self): return k
        def f(x): return x * C().z""",
    "an inherited method": """
        class B:
            def z(self): return k
        class C(B): pass
        def f(x): return x * C().z()""",
    "super": """
        class B:
            def z(self): return k
        class C(B):
            def z(self): return super().z()
        def f(x): return x * C().z()""",
    "a dataclass": """
        import dataclasses
        @dataclasses.dataclass
        class C:
            w: float = 1.0
            def go(self, x): return x * k * self.w
        def f(x): return C().go(x)""",
    "a class method": """
        class C:
            @classmethod
            def z(cls): return k
        def f(x): return x * C.z()""",
    "a static method": """
        class C:
            @staticmethod
            def z(): return k
        def f(x): return x * C.z()""",
    "any attribute": """
        class C:
            def __getattr__(self, name): return k
        c = C()
        def f(x): return x * c.anything""",
    "an index": """
        class C:
            def __getitem__(self, n): return k * n
        c = C()
        def f(x): return x * c[2]""",
    "an operator": """
        class C:
            __array_ufunc__ = None
            def __mul__(self, other): return k * other
            __rmul__ = __mul__
        c = C()
        def f(x): return x * c""",
    "iteration": """
        class C:
            def __iter__(self): return iter([k])
        c = C()
        def f(x): return sum(x * v for v in c)""",
    "a context": """
        class C:
            def __enter__(self): return k
            def __exit__(self, *error): pass
        c = C()
        def f(x):
            with c as z:
                return x * z""",
    "containment": """
        class C:
            def __contains__(self, n): return k > 2.5
        c = C()
        def f(x): return x * 2 if 1 in c else x""",
    "a length": """
        class C:
            def __len__(self): return int(k)
        c = C()
        def f(x): return x * len(c)""",
    "truth": """
        class C:
            def __bool__(self): return k > 2.5
        c = C()
        def f(x): return x * 2 if c else x""",
    "equality": """
        class C:
            def __eq__(self, other): return k > 2.5
            __hash__ = None
        c = C()
        def f(x): return x * 2 if c == 1 else x""",
    "a conversion": """
        class C:
            def __float__(self): return k
        c = C()
        def f(x): return x * float(c)""",
    "a cache": """
        import functools
        @functools.lru_cache(maxsize=0)
        def g(n): return k * n
        def f(x): return x * g(2)""",
    "dispatch by type": """
        import functools
        @functools.singledispatch
        def g(n): return n
        @g.register(int)
        def _(n): return k * n
        def f(x): return x * g(2)""",
    "np.vectorize": """
        import numpy as np
        def g(n): return k * n
        g = np.vectorize(g, otypes=[float])
        def f(x): return x * g(2.0)""",
    "a decorator of NumPy": """
        import numpy as np
        @np.errstate(all="ignore")
        def f(x): return x * k""",
    "a decorator of the standard library": """
        import contextlib
        @contextlib.contextmanager
        def around(): yield
        @around()
        def f(x): return x * k""",
    "eval": """
        def f(x): return x * eval("k")""",
    "globals()": """
        def f(x): return x * globals()["k"]""",
}


# Functions f of an array, and what changes with k besides the global k itself.
CHANGING = {
    "a descriptor": """
        class D:
            def __get__(self, instance, owner): return k
        class C:
            z = D()
        def f(x): return x * C().z""",
    "a class attribute": """
        class B:
            z = 1.0
        class C(B):
            def go(self, x): return x * self.z
        def change(k): B.z = k
        def f(x): return C().go(x)""",
    "a list in a class": """
        class C:
            z = [1.0]
            def go(self, x): return x * self.z[0]
        def change(k): C.z[0] = k
        def f(x): return C().go(x)""",
    "a table of classes": """
        class C:
            z = 1.0
        table = {"c": C}
        def change(k): C.z = k
        def f(x): return x * table["c"].z""",
    "a singleton": """
        class C:
            one = None
            @classmethod
            def get(cls):
                if cls.one is None:
                    cls.one = cls()
                    cls.one.w = 1.0
                return cls.one
        def change(k): C.get().w = k
        def f(x): return x * C.get().w""",
    "a weak reference": """
        import weakref
        class C: pass
        c = C()
        c.z = 1.0
        r = weakref.ref(c)
        def change(k): c.z = k
        def f(x): return x * r().z""",
    "attrgetter": """
        import operator
        class C: pass
        c = C()
        c.z = 1.0
        get = operator.attrgetter("z")
        def change(k): c.z = k
        def f(x): return x * get(c)""",
    "methodcaller": """
        import operator
        class C:
            def z(self): return k
        c = C()
        get = operator.methodcaller("z")
        def f(x): return x * get(c)""",
    "a table of functions of an object": """
        class C: pass
        c = C()
        c.table = {"a": [lambda x: x * k]}
        def f(x): return c.table["a"][0](x)""",
    "an array of the standard library": """
        import array
        a = array.array("d", [1.0])
        def change(k): a[0] = k
        def f(x): return x * a[0]""",
    "bytes that change": """
        a = bytearray([1])
        def change(k): a[0] = int(k)
        def f(x): return x * a[0]""",
    "a view of bytes": """
        import array
        b = array.array("d", [1.0])
        a = memoryview(b)
        def change(k): b[0] = k
        def f(x): return x * a[0]""",
    "a dictionary of collections": """
        import collections
        a = collections.UserDict(q=1.0)
        def change(k): a["q"] = k
        def f(x): return x * a["q"]""",
    "a chain of dictionaries": """
        import collections
        held = {"q": 1.0}
        a = collections.ChainMap({}, held)
        def change(k): held["q"] = k
        def f(x): return x * a["q"]""",
    "a dictionary that is only shown": """
        import types
        held = {"q": 1.0}
        a = types.MappingProxyType(held)
        def change(k): held["q"] = k
        def f(x): return x * a["q"]""",
    "attributes of another dictionary": """
        class C:
            def __init__(self): self.__dict__["held"] = {}
            def __getattr__(self, name): return self.__dict__["held"][name]
            def __setattr__(self, name, value): self.__dict__["held"][name] = value
        c = C()
        c.w = 1.0
        def change(k): c.w = k
        def f(x): return x * c.w""",
    "np.frompyfunc": """
        import numpy as np
        g = np.frompyfunc(lambda r: k, 1, 1)
        def f(x): return x * float(g(1.0))""",
}


def made(source, **names):
    """Run indented source as a module, and return its names."""
    module = types.ModuleType("module_of_a_test")
    vars(module).update(names)
    lines = source.strip("\n").splitlines()
    depth = len(lines[0]) - len(lines[0].lstrip())
    exec("\n".join(line[depth:] for line in lines), vars(module))
    return vars(module)


@pytest.mark.parametrize("way", READING | CHANGING)
def test_what_changes_takes_effect(way):
    names = made((READING | CHANGING)[way], k=2.0)
    compiled = wg.jit(names["f"], compile="now")
    for k in (2.0, 3.0, 5.0, 2.0):
        names["k"] = k
        names.get("change", id)(k)
        for _ in range(2):
            np.testing.assert_array_equal(compiled(POINT), names["f"](POINT))


def test_programs_through_classes_are_compiled():
    names = made(READING["a class method"], k=2.0)
    compiled = wg.jit(names["f"])
    for _ in range(4):
        compiled(POINT)
    assert "1 recording, 1 path" in compiled.explain()
    assert "recorded again" not in compiled.explain()
    assert "eval() may read anything" in explained(made(READING["eval"], k=2.0)["f"])


def explained(fun):
    compiled = wg.jit(fun)
    compiled(POINT)
    return compiled.explain()


def test_methods_that_are_replaced():
    class Scale:
        def apply(self, x):
            return x * 2

        def __neg__(self):
            return 3.0

        @staticmethod
        def shift(x):
            return x + 1

    scale = Scale()
    compiled = wg.jit(lambda x: scale.shift(scale.apply(x)) * (-scale))
    changes = [
        lambda: None,
        lambda: setattr(Scale, "apply", lambda self, x: x * 5),
        lambda: setattr(Scale, "__neg__", lambda self: -1.0),
        lambda: setattr(Scale, "shift", staticmethod(lambda x: x - 1)),
    ]
    for change in changes:
        change()
        for _ in range(2):
            expected = scale.shift(scale.apply(POINT)) * (-scale)
            np.testing.assert_array_equal(compiled(POINT), expected)


def test_attributes_that_are_not_there_yet():
    holder = types.SimpleNamespace()
    asking = wg.jit(lambda x: x * holder.a if hasattr(holder, "a") else x)
    defaulting = wg.jit(lambda x: x * getattr(holder, "a", 1.0))
    for change in (
        lambda: None,
        lambda: setattr(holder, "a", 3.0),
        lambda: delattr(holder, "a"),
        lambda: setattr(holder, "a", 4.0),
    ):
        change()
        for _ in range(2):
            expected = POINT * getattr(holder, "a", 1.0)
            np.testing.assert_array_equal(asking(POINT), expected)
            np.testing.assert_array_equal(defaulting(POINT), expected)


def test_objects_that_have_every_attribute():
    class Settings(dict):
        __getattr__ = dict.get

    settings = Settings(rate=2.0)
    compiled = wg.jit(lambda x: x * settings.rate)
    for rate in (2.0, 3.0):
        settings["rate"] = rate
        np.testing.assert_array_equal(compiled(POINT), POINT * rate)


# ------------------------------------------------------------------ what the next call reads


def counting():
    log = []

    def fun(x):
        log.append(None)
        return x * len(log)

    return fun


def counting_in_a_default():
    def fun(x, log=[]):  # noqa: B006
        log.append(None)
        return x * len(log)

    return fun


def counting_in_an_attribute():
    holder = types.SimpleNamespace(log=set())

    def fun(x):
        holder.log.add(len(holder.log))
        return x * len(holder.log)

    return fun


def caching():
    cache = {}

    def fun(x, n=3):
        if n not in cache:
            cache[n] = np.arange(n) * 1.0
        return x * cache[n].sum() * len(cache)

    return fun


@pytest.mark.parametrize(
    "make", [counting, counting_in_a_default, counting_in_an_attribute, caching]
)
def test_containers_that_a_call_changes_and_the_next_reads(make):
    fun, compiled = make(), wg.jit(make())
    for _ in range(25):
        np.testing.assert_array_equal(compiled(POINT), fun(POINT))
    restless = "runs uncompiled: each call changes" in compiled.explain()
    assert restless == (make is not caching)


def test_caches_that_grow_later():
    fun, compiled = caching(), wg.jit(caching(), static_argnums=1)
    for n in (3, 3, 4, 3, 4, 5, 3, 3):
        np.testing.assert_array_equal(compiled(POINT, n), fun(POINT, n))
    assert "1 path" in compiled.explain()


def test_recordings_that_are_counted_are_compiled():
    runs = []

    @wg.jit
    def fun(x):
        runs.append(None)
        return x * 2

    for _ in range(4):
        fun(POINT)
    assert len(runs) == 1


def test_a_result_that_cannot_be_recorded_leaves_the_effects_of_one_run():
    runs = []

    @wg.jit
    def fun(x):
        runs.append(None)
        return f"{x.sum()}"

    assert [fun(POINT), fun(POINT * 2)] == ["3.0", "6.0"]
    assert len(runs) == 2


# ------------------------------------------------------------------ errors and results


@pytest.mark.parametrize("decorated", [True, False])
def test_functions_that_handle_floating_point_errors_run_as_they_are(decorated):
    def guarded(x):
        try:
            return np.log(x)
        except FloatingPointError:
            return x - 1

    def inside(x):
        with np.errstate(divide="raise"):
            return guarded(x)

    fun = np.errstate(divide="raise")(guarded) if decorated else inside
    compiled = wg.jit(fun)
    for x in (POINT, POINT * 0, POINT, POINT * 0):
        np.testing.assert_array_equal(compiled(x), fun(x))
    assert "np.errstate" in compiled.explain()


def test_warnings_that_are_ignored_inside_do_not_matter():
    @wg.jit
    def fun(x):
        with np.errstate(all="ignore"):
            return np.log(x)

    assert [fun(0.0), fun(0.0)] == [-np.inf, -np.inf]
    assert "1 recording, 1 path" in fun.explain()


class Result:
    def __init__(self, value):
        self.value = value


def as_generator(x):
    return (entry * 2 for entry in x)


def as_closure(x):
    y = x * 2
    return lambda: iter(y)


def as_object(x):
    return Result(x * 2)


def as_partial(x):
    return functools.partial(iter, x * 2)


def as_constant_object(x):
    return x, Result(0.0)


@pytest.mark.parametrize(
    ("fun", "entries"),
    [
        (as_generator, list),
        (as_closure, lambda made: list(made())),
        (as_object, lambda made: list(made.value)),
        (as_partial, lambda made: list(made())),
    ],
)
def test_results_that_hold_what_was_computed(fun, entries):
    compiled = wg.jit(fun)
    for x in (POINT, POINT * 3, POINT):
        assert entries(compiled(x)) == entries(fun(x))


def test_objects_made_by_each_call_are_not_shared():
    compiled = wg.jit(as_constant_object)
    found = [compiled(POINT)[1] for _ in range(3)]
    found[0].value = 7.0
    assert [made.value for made in found] == [7.0, 0.0, 0.0]
    kept = Result(1.0)
    sharing = wg.jit(lambda x: (x * 2, kept))
    assert all(sharing(POINT)[1] is kept for _ in range(3))
    assert "runs uncompiled" not in sharing.explain()


def test_contexts_are_left_when_a_call_fails():
    state = []

    @contextlib.contextmanager
    def noting():
        state.append("in")
        try:
            yield 2.0
        finally:
            state.append("out")

    @wg.jit
    def fun(x):
        with noting() as factor:
            if np.sum(x) > 4:
                raise ValueError("too large")
            return x * factor

    fun(POINT)
    with pytest.raises(ValueError, match="too large"):
        fun(POINT * 2)
    assert state[-1] == "out"
    assert state.count("in") == state.count("out")
