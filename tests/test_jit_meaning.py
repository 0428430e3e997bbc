"""`jit` never changes meaning: what a function reads, stores and draws outside its arguments."""

import functools
import random
import threading
import types
from collections import defaultdict, deque

import numpy as np
import pytest

import wengert as wg

FACTOR = 2.0
COUNT = 3
WEIGHTS = np.ones(3)
ITEMS = []
CHOSEN = {1.0, 2.0}
SETTINGS = {"rate": 0.5, "deep": {"w": [1.0, 2.0]}}
CHAIN = types.SimpleNamespace(a=types.SimpleNamespace(b=types.SimpleNamespace(c=1.0)))
OBJECTS = [types.SimpleNamespace(v=1.0), types.SimpleNamespace(v=2.0)]


def set_global(name, value):
    return lambda: globals().__setitem__(name, value)


def helper(x):
    return x * FACTOR + second_helper(x)


def second_helper(x):
    return x + COUNT


class Model:
    scale = 1.5

    def __init__(self):
        self.w = 2.0
        self.b = np.arange(3.0)
        self.name = "plus"
        self.sub = types.SimpleNamespace(k=4.0)
        self.layers = [1.0, np.ones(2)]
        self.table = np.ones(500)

    def __call__(self, x):
        return x * FACTOR + self.w

    def method(self, x):
        return x * FACTOR * self.w * self.scale + self.sub.k

    def nested(self, x):
        return self.method(x) + helper(x) + self.layers[0]

    def arrays(self, x):
        return x * self.b.sum() + self.table.sum() + self.layers[1][0]

    def loop(self, x):
        for layer in self.layers:
            x = x * np.sum(layer)
        return x if self.name == "plus" else -x

    @property
    def product(self):
        return self.w * FACTOR

    @staticmethod
    def static(x):
        return x * FACTOR

    @classmethod
    def of_class(cls, x):
        return x * cls.scale * FACTOR


@pytest.fixture(autouse=True)
def restored():
    before = dict(globals())
    weights, scale = WEIGHTS.copy(), Model.scale
    yield
    globals().update(before)
    WEIGHTS[:] = weights
    Model.scale = scale
    ITEMS.clear()
    CHOSEN.clear()
    CHOSEN.update((1.0, 2.0))
    SETTINGS.clear()
    SETTINGS.update(rate=0.5, deep={"w": [1.0, 2.0]})
    CHAIN.a = types.SimpleNamespace(b=types.SimpleNamespace(c=1.0))
    OBJECTS[0].v = 1.0


def agree(fun, args, changes):
    """Hold the compiled function to the plain one, before and after each change."""
    compiled = wg.jit(fun, compile="now")
    for change in (lambda: None, *changes):
        change()
        for _ in range(3):
            expected, found = fun(*args), compiled(*args)
            assert type(found) is type(expected)
            assert found == expected


def changes_of(model):
    return (
        set_global("FACTOR", 3.0),
        lambda: setattr(model, "w", 5.0),
        lambda: setattr(Model, "scale", 2.5),
        lambda: setattr(model.sub, "k", 7.0),
        set_global("COUNT", 5),
        lambda: model.layers.__setitem__(0, 4.0),
        lambda: model.layers[1].__setitem__(0, 9.0),
        lambda: model.b.__setitem__(0, 8.0),
        lambda: setattr(model, "b", np.ones(4)),
        lambda: model.table.__setitem__(17, 100.0),
        lambda: setattr(model, "name", "minus"),
        lambda: model.layers.append(2.0),
        set_global("FACTOR", 2.0),
    )


METHODS = ("method", "nested", "arrays", "loop", "static", "of_class", "__call__")


@pytest.mark.parametrize("name", METHODS)
def test_methods_of_an_object_in_the_closure(name):
    model = Model()
    agree(lambda x: getattr(model, name)(x), (1.5,), changes_of(model))


@pytest.mark.parametrize("name", METHODS)
def test_bound_methods(name):
    model = Model()
    agree(getattr(model, name), (1.5,), changes_of(model))


@pytest.mark.parametrize("name", ["method", "nested", "arrays", "loop", "__call__"])
def test_objects_as_arguments(name):
    model = Model()
    agree(getattr(Model, name), (model, 1.5), changes_of(model))


def test_callable_objects_and_properties():
    model = Model()
    agree(model, (1.5,), changes_of(model))
    agree(lambda x: x * model.product, (1.5,), changes_of(model))


def test_compiled_methods_in_a_class():
    class Compiled:
        def __init__(self, w):
            self.w = w

        @wg.jit
        def predict(self, x):
            return self.w * x * FACTOR

    first, second = Compiled(2.0), Compiled(3.0)
    for factor in (2.0, 5.0):
        set_global("FACTOR", factor)()
        for _ in range(3):
            assert first.predict(1.5) == first.w * 1.5 * factor
            assert second.predict(1.5) == second.w * 1.5 * factor
            first.w += 1.0


@pytest.mark.parametrize(
    ("fun", "changes"),
    [
        (helper, [set_global("FACTOR", 3.0), set_global("COUNT", 4)]),
        (helper, [set_global("second_helper", lambda x: x - 1)]),
        (lambda x: x * len(ITEMS), [lambda: ITEMS.append(1.0), lambda: ITEMS.append(2.0)]),
        (lambda x: x * len(CHOSEN), [lambda: CHOSEN.add(5.0)]),
        (
            lambda x: x * SETTINGS["rate"] + SETTINGS["deep"]["w"][1],
            [
                lambda: SETTINGS.__setitem__("rate", 0.7),
                lambda: SETTINGS["deep"]["w"].__setitem__(1, 9.0),
                lambda: SETTINGS["deep"].__setitem__("w", [3.0, 4.0]),
            ],
        ),
        (
            lambda x: CHAIN.a.b.c * x,
            [
                lambda: setattr(CHAIN.a.b, "c", 2.0),
                lambda: setattr(CHAIN.a, "b", types.SimpleNamespace(c=8.0)),
            ],
        ),
        (lambda x: sum(o.v for o in OBJECTS) * x, [lambda: setattr(OBJECTS[0], "v", 9.0)]),
        (lambda x: OBJECTS[0].v * x, [lambda: setattr(OBJECTS[0], "v", 9.0)]),
        (
            lambda x: x * WEIGHTS.sum(),
            [
                lambda: WEIGHTS.__setitem__(0, 5.0),
                set_global("WEIGHTS", np.ones(4)),
                set_global("WEIGHTS", np.ones(4, np.float32)),
            ],
        ),
    ],
    ids=[
        "helpers", "rebound", "length", "set", "settings", "chain", "objects", "first", "arrays",
    ],
)  # fmt: skip
def test_globals(fun, changes):
    agree(fun, (1.5,), changes)


def test_functions_in_containers_and_as_arguments():
    functions = [lambda x: x + 1, lambda x: x * 2]
    table = {"f": lambda x: x * FACTOR}
    scale = [1.0]
    agree(
        lambda x: functions[0](x) + functions[1](x),
        (1.5,),
        [lambda: functions.__setitem__(0, lambda x: x - 1)],
    )
    agree(lambda x: table["f"](x), (1.5,), [set_global("FACTOR", 5.0)])
    agree(
        lambda fun, x: fun(x) * 2,
        (lambda x: x * scale[0], 1.5),
        [lambda: scale.__setitem__(0, 3.0)],
    )
    agree(functools.partial(lambda x, k: x * k * FACTOR, k=3.0), (1.5,), [set_global("FACTOR", 4)])


# ------------------------------------------------------------------ what it stores


class Accumulator:
    def __init__(self):
        self.total = 0.0
        self.seen = []
        self.best = None
        self.known = {}

    def add(self, x):
        self.total = self.total + x
        return self.total

    def keep(self, x):
        self.seen.append(x * 2)
        return x

    def largest(self, x):
        if self.best is None or x > self.best:
            self.best = x * 1.0
        return self.best

    def memoised(self, x):
        if "k" not in self.known:
            self.known["k"] = x * 3
        return self.known["k"] + x

    def state(self):
        return (self.total, list(self.seen), self.best, dict(self.known))

    def __call__(self, x):
        return self.add(x)


class Slotted:
    __slots__ = ("v",)

    def __init__(self):
        self.v = 0.0


class Shared:
    total = 0.0


def function_with_attributes(_):
    def fun(x):
        fun.calls = getattr(fun, "calls", 0) + 1
        fun.last = x * 2
        return x * fun.calls

    return fun


def adding(target, entry):
    def fun(x):
        setattr(target, entry, getattr(target, entry) + x)
        return getattr(target, entry) * 2

    return fun


STORES = {
    "method": (Accumulator, lambda o: o.add, Accumulator.state),
    "closure": (Accumulator, lambda o: lambda x: o.add(x), Accumulator.state),
    "callable": (Accumulator, lambda o: o, Accumulator.state),
    "called": (Accumulator, lambda o: lambda x: o(x), Accumulator.state),
    "kept": (Accumulator, lambda o: o.keep, Accumulator.state),
    "largest": (Accumulator, lambda o: o.largest, Accumulator.state),
    "memoised": (Accumulator, lambda o: o.memoised, Accumulator.state),
    "namespace": (
        lambda: types.SimpleNamespace(v=0.0),
        lambda o: adding(o, "v"),
        lambda o: o.v,
    ),
    "slots": (Slotted, lambda o: adding(o, "v"), lambda o: o.v),
    "class": (
        lambda: (setattr(Shared, "total", 0.0), Shared)[1],
        lambda o: adding(o, "total"),
        lambda o: o.total,
    ),
    "function": (
        lambda: None,
        function_with_attributes,
        lambda o: None,
    ),
    "deque": (deque, lambda o: lambda x: (o.append(x * 2), x)[1], list),
    "defaultdict": (
        lambda: defaultdict(float),
        lambda o: lambda x: (o.__setitem__("a", o["a"] + x), o["a"])[1],
        dict,
    ),
    "lists": (
        lambda: [[], []],
        lambda o: lambda x: (o[0].append(x), x)[1],
        lambda o: [list(entry) for entry in o],
    ),
    "array": (
        lambda: types.SimpleNamespace(a=np.zeros(3)),
        lambda o: lambda x: (o.a.__setitem__(0, x), o.a.sum() + x)[1],
        lambda o: o.a.tolist(),
    ),
    "dict": (
        dict,
        lambda o: lambda x: (o.setdefault("w", x * 2), o["w"] + x)[1],
        dict,
    ),
}


@pytest.mark.parametrize("name", STORES)
def test_what_is_stored_outside_is_what_the_plain_function_stores(name):
    make, function_of, state_of = STORES[name]

    def outcomes(transform):
        target = make()
        fun = transform(function_of(target))
        found = []
        for x in (1.0, 2.0, 3.0, 0.5):
            found += [fun(x), state_of(target)]
        return found

    assert outcomes(lambda fun: wg.jit(fun, compile="now")) == outcomes(lambda fun: fun)


def test_an_error_half_way_leaves_the_effects_of_one_run():
    def fun(log, x):
        log.entries = [*log.entries, "begun"]
        if x < 0:
            raise ValueError("negative")
        return x * 2

    plain, compiled = types.SimpleNamespace(entries=[]), types.SimpleNamespace(entries=[])
    jitted = wg.jit(fun)
    for x in (-1.0, -2.0):
        for run, log in ((fun, plain), (jitted, compiled)):
            with pytest.raises(ValueError, match="negative"):
                run(log, x)
    assert compiled.entries == plain.entries


# ------------------------------------------------------------------ what changes in place


class Holder:
    def __init__(self, size):
        self.w = np.ones(size)
        self.table = {"k": np.ones(size)}
        self.pair = (np.ones(size), 2.0)
        self.queue = deque([np.ones(size)])
        self.nested = [[np.ones(size)]]
        self.layers = [types.SimpleNamespace(w=np.ones(size))]
        self.mask = None

    def of_array(self, x):
        return np.sum(self.w * x)

    def of_table(self, x):
        return np.sum(self.table["k"] * x)

    def of_pair(self, x):
        return np.sum(self.pair[0] * x) * self.pair[1]

    def of_queue(self, x):
        return sum(np.sum(entry * x) for entry in self.queue)

    def of_nested(self, x):
        return np.sum(self.nested[0][0] * x)

    def of_layers(self, x):
        for layer in self.layers:
            x = layer.w * x
        return np.sum(x)

    def of_mask(self, x):
        return np.sum(x) if self.mask is None else np.sum(x * self.mask)


CHANGES = [
    ("of_array", lambda holder, k: holder.w.fill(k)),
    ("of_table", lambda holder, k: holder.table["k"].fill(k)),
    ("of_pair", lambda holder, k: holder.pair[0].fill(k)),
    ("of_queue", lambda holder, k: holder.queue[0].fill(k)),
    ("of_queue", lambda holder, k: holder.queue.append(holder.w * k)),
    ("of_nested", lambda holder, k: holder.nested[0][0].fill(k)),
    ("of_layers", lambda holder, k: holder.layers[0].w.fill(k)),
    ("of_layers", lambda holder, k: holder.layers.append(holder.layers[0])),
    ("of_mask", lambda holder, k: setattr(holder, "mask", np.full(holder.w.shape, k))),
]


@pytest.mark.parametrize("size", [3, 10_000])
@pytest.mark.parametrize("way", ["method", "closure", "argument", "static"])
@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_what_objects_hold_may_change_in_place(name, change, way, size):
    holder, x = Holder(size), np.ones(size)
    plain = getattr(holder, name)
    of_both = wg.jit(
        lambda holder, x: getattr(holder, name)(x), static_argnums=() if way == "argument" else 0
    )
    call = {
        "method": wg.jit(plain),
        "closure": wg.jit(lambda x: getattr(holder, name)(x)),
    }.get(way, functools.partial(of_both, holder))
    for k in (1.0, 3.0, 4.0):
        if k > 1:
            change(holder, k)
        for _ in range(4):
            assert call(x) == plain(x)


@pytest.mark.parametrize("part", [np.s_[::2], np.s_[::-1], np.s_[4:4]])
def test_strided_arrays_that_objects_hold_may_change_in_place(part):
    whole = np.ones(11, np.float32)
    holder = types.SimpleNamespace(w=whole[part])
    compiled = wg.jit(lambda x: np.sum(holder.w) * x)
    for k in (1.0, 2.0, 3.0):
        whole.fill(k)
        for _ in range(4):
            assert compiled(1.0) == np.sum(holder.w)


def test_static_arguments_may_change_in_place():
    items, array, x = [1.0, 2.0], np.ones(5000), np.arange(5000.0)
    total = wg.jit(lambda x, items: x * sum(items), static_argnums=1)
    dot = wg.jit(lambda x, array: np.sum(x * array), static_argnums=1)
    for k in (1.0, 2.0, 3.0):
        items.append(k)
        array.fill(k)
        for _ in range(4):
            assert total(2.0, items) == 2.0 * sum(items)
            assert dot(x, array) == np.sum(x * array)


def test_equal_static_arguments_share_a_recording():
    fun = wg.jit(lambda x, shape: np.sum(np.ones(shape) * x), static_argnums=1)
    for shape in ([3, 4], [3, 4], [3, 4]):
        assert fun(2.0, tuple(shape)) == 24.0
    assert "1 recording," in fun.explain()


def test_large_containers_outside_are_compared_or_the_function_runs_as_it_is():
    items = [1.0] * 5000
    table = dict.fromkeys(range(200_000), 1.0)
    objects = np.array([1.0, 2.0], object)
    cycle = [1.0]
    cycle.append(cycle)
    cases = [
        (lambda x: x * sum(items), lambda k: items.append(k)),
        (lambda x: x * table[5], lambda k: table.__setitem__(5, k)),
        (lambda x: x * objects[0], lambda k: objects.__setitem__(0, k)),
        (lambda x: x * cycle[0], lambda k: cycle.__setitem__(0, k)),
    ]
    for fun, change in cases:
        compiled = wg.jit(fun)
        for k in (3.0, 4.0):
            for _ in range(4):
                assert compiled(2.0) == fun(2.0)
            change(k)
            assert compiled(2.0) == fun(2.0)
    compiled = wg.jit(cases[1][0])
    compiled(2.0)
    assert "runs uncompiled: table" in compiled.explain()


@pytest.mark.parametrize("make", [lambda: iter(range(9)), lambda: (k * k for k in range(9))])
def test_functions_that_advance_iterators_run_as_they_are(make):
    values, holder = make(), types.SimpleNamespace(values=make())
    by_name = wg.jit(lambda x: x * next(values))
    by_attribute = wg.jit(lambda x: x * next(holder.values))
    for expected in [next(pattern) for pattern in [make()] for _ in range(6)]:
        assert by_name(1.0) == by_attribute(1.0) == expected
    assert "an iterator" in by_name.explain()


# ------------------------------------------------------------------ what it draws


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.random.default_rng(3).normal,
        lambda: np.random.RandomState(3).rand,
        lambda: random.Random(3).random,
    ],
)
def test_functions_that_draw_run_as_they_are(make):
    draw = make()
    generator = draw.__self__

    def by_name(x):
        return x + draw()

    def by_attribute(x):
        return x + (generator.random() if hasattr(generator, "random") else 0.0)

    for fun in (by_name, by_attribute):
        compiled = wg.jit(fun)
        assert len({compiled(1.0) for _ in range(6)}) == 6


# ------------------------------------------------------------------ other threads


def test_what_other_threads_change_meanwhile_stays():
    shared = types.SimpleNamespace(count=0, theirs=0, log=[])
    entered, go_on = threading.Event(), threading.Event()

    def function(x):
        shared.count += 1
        entered.set()
        go_on.wait(5)
        return np.asarray(x, dtype=object)[0] * 2  # cannot be recorded

    def other():
        entered.wait(5)
        shared.theirs = 5
        shared.added = "new"
        shared.log.append("theirs")
        go_on.set()

    thread = threading.Thread(target=other)
    thread.start()
    found = wg.jit(function)(np.array([1.5]))
    thread.join()
    assert found == 3.0
    assert vars(shared) == {"count": 1, "theirs": 5, "added": "new", "log": ["theirs"]}
