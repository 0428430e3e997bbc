"""The registry: no gaps, no double names, and slots that are derived from the ones given."""

import numpy as np
import pytest

import wengert as wg
from primitive_calls import (
    Call,
    adjoint,
    call_of,
    direction,
    each,
    epsilon,
    fails_of,
    filled,
    pulled,
    pushed,
    samples_of,
    subsets,
)
from wengert.errors import MissingRuleError, RegistryError
from wengert.ir.aval import aval_of
from wengert.ir.primitive import Primitive, Registry, registry
from wengert.ops.families import elementwise, irregular
from wengert.ops.samples import Sample
from wengert.tracing.core import bind, to_user

# Their value is their argument, taken to lie in a subspace; their derivative projects on that. No
# difference of values equals it, so the functions made with them are compared instead.
PROJECTIONS = {"hermitian"}
# Their derivative is another than that of their value, on purpose: see ``test_tips``.
FORMAL = {"tip", "undefined", "valued"}
# Differentiating them is an error.
REFUSING = {"pure_callback"}


@pytest.fixture
def scratch():
    """Take the primitives that a test makes out of the registry again."""
    before = {primitive.name for primitive in registry}
    yield
    for primitive in registry:
        if primitive.name not in before:
            registry.remove(primitive.name)


def complete(**changes):
    """Slots of a primitive that doubles its argument."""
    slots = {
        "family": "irregular",
        "arguments": ("x",),
        "evaluate": lambda x: x + x,
        "infer": lambda x: x,
        "tangent": lambda ans, primals, tangents, params: tangents[0] * 2.0,
        "samples": lambda: [Sample(1.5)],
        "fails": tuple,
    }
    return slots | changes


# ------------------------------------------------------------------ no gaps


def test_no_slot_that_is_due_is_empty():
    assert registry.gaps() == []
    assert len(registry) > 100


@pytest.mark.parametrize("primitive", registry, ids=lambda primitive: primitive.name)
def test_a_block_has_what_the_tests_need(primitive):
    samples = samples_of(primitive.name)
    assert samples
    assert all(len(sample.args) >= len(primitive.arguments) > 0 for sample in samples)
    assert all(isinstance(fail.error, type) for fail in fails_of(primitive.name))
    calls = [(sample, call_of(primitive.name, i)[0]) for i, sample in enumerate(samples)]
    if not primitive.zero_derivative and primitive.name not in PROJECTIONS | FORMAL | REFUSING:
        compared = [call.which for sample, call in calls if sample.differentiable]
        assert any(compared), "no sample compares a derivative"
    # Two lists of samples are equal: they do not depend on what ran before.
    again = list(primitive.samples())
    for first, second in zip(samples, again, strict=True):
        for value, other in zip(first.args, second.args, strict=True):
            np.testing.assert_array_equal(value, other)


@pytest.mark.parametrize("slot", ["evaluate", "infer", "samples", "fails"])
@pytest.mark.usefixtures("scratch")
def test_a_missing_slot_is_reported(slot):
    Primitive("incomplete", **complete(**{slot: None}))
    assert registry.gaps() == [f"incomplete: slot {slot!r} is due and empty"]


@pytest.mark.usefixtures("scratch")
def test_a_missing_derivative_is_reported():
    Primitive("incomplete", **complete(tangent=None))
    assert registry.gaps() == ["incomplete: slot 'reverse' is due and empty"]


@pytest.mark.usefixtures("scratch")
def test_what_is_constant_needs_no_derivative():
    Primitive("constant", **complete(tangent=None, zero_derivative=True))
    assert registry.gaps() == []


def test_a_derivative_that_is_missing_says_so():
    primitive = Primitive("underivable", **complete(tangent=None))
    registry.remove("underivable")

    def double(x):
        return to_user(bind(primitive, x))

    for run in (lambda: wg.grad(double)(1.0), lambda: wg.jvp(double, (1.0,), (1.0,))):
        with pytest.raises(MissingRuleError, match=r"'underivable'.*adding-a-primitive"):
            run()


# ------------------------------------------------------------------ names


def test_names_are_unique():
    names = [primitive.name for primitive in registry]
    assert len(set(names)) == len(names)
    for name in names:
        assert name.isidentifier()
        assert registry[name].name == name
        assert name in registry
    assert "no such primitive" not in registry


def test_a_name_cannot_be_taken_twice():
    add = registry["add"]
    with pytest.raises(RegistryError, match="'add' exists already"):
        Primitive("add", **complete())
    assert registry["add"] is add


def test_registries_are_separate():
    assert len(Registry()) == 0


# ------------------------------------------------------------------ families refuse half a block


@pytest.mark.usefixtures("scratch")
def test_families_refuse_what_is_incomplete():
    with pytest.raises(RegistryError, match="names no method"):
        irregular("half", arguments=("x",), evaluate=abs, infer=lambda x: x, differences="best")
    with pytest.raises(RegistryError, match="not both"):
        irregular(
            "half",
            arguments=("x",),
            evaluate=abs,
            infer=lambda x: x,
            jvp=lambda t: t,
            differences="central",
        )
    with pytest.raises(RegistryError, match="partials or products, one an argument"):
        elementwise("half", numpy=np.add, partials=(1,), implements=False)
    with pytest.raises(RegistryError, match="a vectorize, not a ufunc"):
        elementwise("half", numpy=np.vectorize(abs), partials=(1,), implements=False)
    with pytest.raises(RegistryError, match="complex_jvp and complex_vjp, or neither"):
        elementwise(
            "half", numpy=np.exp, partials=("ans",), complex_jvp=lambda t: t, implements=False
        )
    assert "half" not in registry


# ------------------------------------------------------------------ derived slots


def without(primitive, slot):
    """Return an unregistered copy of a primitive that lacks one slot."""
    copy = object.__new__(Primitive)
    for name in Primitive.__slots__:
        setattr(copy, name, getattr(primitive, name))
    setattr(copy, slot, None)
    if slot == "reverse":
        copy.plans = None  # the fast paths of reverse mode are made from it
    return copy


def derivable(slot):
    """Return the samples of the primitives that give both slots, where `slot` can be derived."""
    found = []
    for parameter in each(samples_of):
        name, index = parameter.values
        primitive = registry[name]
        if primitive.tangent is None or primitive.reverse is None:
            continue
        if slot == "tangent" and primitive.multiple:
            continue  # not derived, see below
        if samples_of(name)[index].differentiable and call_of(name, index)[0].which:
            found.append(parameter)
    return found


def close(found, expected, eps):
    """Assert equality up to a few hundred roundings of the largest entry."""
    for entry, other in zip(found, expected, strict=True):
        size = float(np.max(np.abs(other), initial=1.0))
        np.testing.assert_allclose(entry, other, rtol=0, atol=500 * eps * size)


@pytest.mark.parametrize(("name", "index"), derivable("reverse"))
def test_a_vjp_derived_from_the_jvp_equals_the_given_one(name, index):
    call, _ = call_of(name, index)
    point = call.point
    with np.errstate(all="ignore"):
        values = call.raw(point)
        cotangents = direction(values, 3)
        derived = Call(name, call.args, call.params, call.which)
        derived.primitive = without(call.primitive, "reverse")
        for subset in subsets(len(point)):
            given = pulled(call, point, subset, lambda i, value: cotangents[i])
            found = pulled(derived, point, subset, lambda i, value: cotangents[i])
            spaces = [point[i] for i in subset]
            close(filled(found, spaces), filled(given, spaces), epsilon(point, values))


@pytest.mark.parametrize(("name", "index"), derivable("tangent"))
def test_a_jvp_derived_from_the_vjp_equals_the_given_one(name, index):
    call, _ = call_of(name, index)
    point = call.point
    tangents = direction(point, 2)
    derived = Call(name, call.args, call.params, call.which)
    derived.primitive = without(call.primitive, "tangent")
    with np.errstate(all="ignore"):
        for subset in subsets(len(point)):
            chosen = [tangent if i in subset else None for i, tangent in enumerate(tangents)]
            values, given = pushed(call, point, chosen)
            _, found = pushed(derived, point, chosen)
            close(filled(found, values), filled(given, values), epsilon(point, values))


def _partials(x, y):
    return y * np.exp(x * y), x * np.exp(x * y) + 1.0


def _evaluate(x, y):
    return np.exp(x * y) + y


def _infer(x, y):
    return aval_of(_evaluate(np.ones(x.shape, x.dtype), np.ones(y.shape, y.dtype)))


JVP = (
    lambda t, x, y: t * _partials(x, y)[0],
    lambda t, x, y: t * _partials(x, y)[1],
)
RULES = {
    "jvp only": {"jvp": JVP},
    "vjp only": {"vjp": JVP},  # a diagonal map is its own transpose
    "joint jvp only": {
        "jvp": lambda tangents, x, y: sum(
            t * partial
            for t, partial in zip(tangents, _partials(x, y), strict=True)
            if t is not None
        )
    },
    "joint vjp only": {"vjp": lambda g, x, y: tuple(g * p for p in _partials(x, y))},
}


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES.keys())
@pytest.mark.usefixtures("scratch")
def test_one_rule_is_enough_for_both_modes_and_every_order(rules):
    primitive = irregular(
        "one_rule", arguments=("x", "y"), evaluate=_evaluate, infer=_infer, **rules
    )
    assert (primitive.tangent is None) != (primitive.reverse is None)

    def function(x, y):
        return to_user(bind(primitive, x, y))

    x, y = np.array([0.3, -0.7, 1.1]), np.array([0.5, 0.2, -0.9])
    wg.testing.check_grads(function, (x, y), order=3)
    wg.testing.check_grads(lambda x: function(x, y), (x,), order=2)
    wg.testing.check_grads(lambda y: np.sum(function(x, y) ** 2), (y,), order=2)
    np.testing.assert_allclose(
        wg.grad(lambda x: np.sum(function(x, y)))(x), _partials(x, y)[0], rtol=1e-15
    )


@pytest.mark.usefixtures("scratch")
def test_a_derived_vjp_of_several_results():
    primitive = irregular(
        "both_parts",
        arguments=("x",),
        evaluate=lambda x: (np.sin(x), x * x),
        infer=lambda x: (x, x),
        jvp=(lambda t, x: (t * np.cos(x), 2.0 * t * x),),
        multiple=True,
    )

    def function(x):
        return tuple(to_user(entry) for entry in bind(primitive, x))

    x = np.array([0.3, -0.7, 1.1])
    wg.testing.check_grads(function, (x,), order=3)
    np.testing.assert_allclose(wg.grad(lambda x: np.sum(function(x)[0]))(x), np.cos(x), rtol=1e-15)


@pytest.mark.usefixtures("scratch")
def test_a_vjp_of_several_results_alone_asks_for_a_jvp():
    primitive = irregular(
        "both_parts",
        arguments=("x",),
        evaluate=lambda x: (x + x, x * x),
        infer=lambda x: (x, x),
        vjp=(lambda g, x: g[0] * 2.0 + g[1] * 2.0 * x,),
        multiple=True,
    )
    with pytest.raises(MissingRuleError, match=r"'both_parts' has several results.*give it a jvp"):
        wg.jvp(lambda x: bind(primitive, x)[0], (1.0,), (1.0,))


@pytest.mark.usefixtures("scratch")
def test_a_derived_rule_of_a_map_that_is_not_holomorphic():
    """Transposition is that of Re(g t), so conjugation is transposed with its sign."""
    primitive = irregular(
        "mirrored",
        arguments=("z",),
        evaluate=lambda z: np.conj(z) * z * 1j,
        infer=lambda z: z,
        jvp=(lambda t, z: 1j * (np.conj(t) * z + np.conj(z) * t),),
    )
    z = np.array([0.5 - 1.0j, 2.0 + 0.3j])
    wg.testing.check_grads(lambda z: to_user(bind(primitive, z)), (z,), order=2)
    point = Call("mirrored", (z,), {})
    cotangents, tangents = direction([z], 1), direction([z], 2)
    adjoint(
        pushed(point, [z], tangents)[1],
        cotangents,
        pulled(point, [z], (0,), lambda i, value: cotangents[i]),
        tangents,
        epsilon([z]),
    )
