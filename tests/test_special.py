"""Functions of `scipy.special`: SciPy's values, and derivatives against mpmath at 40 digits."""

import subprocess
import sys

import mpmath
import numpy as np
import pytest
from scipy import special

import wengert as wg
from wengert.errors import MissingRuleError
from wengert.ir.primitive import registry

POSITIVE = (1e-3, 0.3, 0.9, 1.0, 1.7, 12.0, 35.0)
SOME = (1.7, 35.0)
SIGNED = (-30.0, -1.2, -1e-4, 0.0, 0.3, 1.2, 8.0)
SCALED = (-50.0, -1.5, 0.3, 1.7, 29.0, 31.0, 1e4)
WITHIN = (0.01, 0.3, 0.5, 0.77, 0.99)
FAR = (-5.0, -1.0, 0.0, 0.3, 2.0, 9.9, 10.5, 50.0, 1e4, 1e9)
ORDER = 1.5

# A function, the same in mpmath, and points; some at which the obvious formula loses its digits.
CASES = {
    "expit": (special.expit, lambda x: 1 / (1 + mpmath.exp(-x)), SIGNED),
    "log_expit": (special.log_expit, lambda x: -mpmath.log1p(mpmath.exp(-x)), SIGNED),
    "logit": (special.logit, lambda x: mpmath.log(x / (1 - x)), WITHIN),
    "exp10": (special.exp10, lambda x: mpmath.mpf(10) ** x, SIGNED),
    "exp2": (special.exp2, lambda x: mpmath.mpf(2) ** x, SIGNED),
    "expm1": (special.expm1, mpmath.expm1, SIGNED),
    "log1p": (special.log1p, mpmath.log1p, POSITIVE),
    "cbrt": (special.cbrt, mpmath.cbrt, POSITIVE),
    "cosm1": (special.cosm1, lambda x: mpmath.cos(x) - 1, SIGNED),
    "exprel": (special.exprel, lambda x: mpmath.hyp1f1(1, 2, x), SIGNED),
    "sindg": (special.sindg, lambda x: mpmath.sin(x * mpmath.pi / 180), (-300.0, 0.0, 80.0)),
    "cosdg": (special.cosdg, lambda x: mpmath.cos(x * mpmath.pi / 180), (-300.0, 0.0, 80.0)),
    "tandg": (special.tandg, lambda x: mpmath.tan(x * mpmath.pi / 180), (-300.0, 0.0, 80.0)),
    "entr": (special.entr, lambda x: -x * mpmath.log(x), POSITIVE),
    "boxcox": (
        lambda p: special.boxcox(2.5, p),
        lambda p: (mpmath.mpf(2.5) ** p - 1) / p,
        (-3.0, 1e-5, 0.5, 8.0),
    ),
    "erf": (special.erf, mpmath.erf, (-5.0, 0.0, 0.3, 6.0)),
    "erfc": (special.erfc, mpmath.erfc, (-5.0, 0.0, 0.3, 6.0, 20.0)),
    "erfi": (special.erfi, mpmath.erfi, (-5.0, 0.0, 0.3, 2.0)),
    "erfcx": (special.erfcx, lambda x: mpmath.exp(x * x) * mpmath.erfc(x), FAR),
    "dawsn": (
        special.dawsn,
        lambda x: mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(-x * x) * mpmath.erfi(x),
        FAR[:-1],
    ),
    "erfinv": (special.erfinv, mpmath.erfinv, (-0.99, -1e-5, 0.0, 0.2, 0.9)),
    "ndtr": (special.ndtr, mpmath.ncdf, (-30.0, -5.0, 0.0, 2.0)),
    "log_ndtr": (special.log_ndtr, lambda x: mpmath.log(mpmath.ncdf(x)), (-1e5, -30.0, 0.0, 8.0)),
    "ndtri": (
        special.ndtri,
        lambda p: mpmath.sqrt(2) * mpmath.erfinv(2 * p - 1),
        (0.01, 0.3, 0.5, 0.99),
    ),
    "gamma": (special.gamma, mpmath.gamma, (-3.3, -0.5, 0.1, 1.0, 2.5, 100.0)),
    "gammaln": (
        special.gammaln,
        lambda x: mpmath.log(abs(mpmath.gamma(x))),
        (-3.3, 0.1, 1.0, 2.5, 1e5),
    ),
    "loggamma": (special.loggamma, mpmath.loggamma, (0.1, 1.0, 2.5, 1e5)),
    "rgamma": (special.rgamma, mpmath.rgamma, (-5.0, -3.3, -1.0, 0.0, 0.1, 1.0, 10.0)),
    "psi": (special.psi, lambda x: mpmath.psi(0, x), (-3.3, 0.1, 1.0, 30.0)),
    "zeta": (lambda q: special.zeta(3.0, q), lambda q: mpmath.zeta(3, q), (0.1, 0.5, 30.0)),
    "beta": (lambda x: special.beta(x, 0.7), lambda x: mpmath.beta(x, 0.7), POSITIVE),
    "poch": (lambda m: special.poch(1.3, m), lambda m: mpmath.rf(1.3, m), (0.3, 1.0, 4.0)),
    "gammainc": (
        lambda x: special.gammainc(2.5, x),
        lambda x: mpmath.gammainc(2.5, 0, x, regularized=True),
        POSITIVE,
    ),
    "betainc": (
        lambda x: special.betainc(2.5, 0.7, x),
        lambda x: mpmath.betainc(2.5, 0.7, 0, x, regularized=True),
        WITHIN,
    ),
    "owens_t by h": (
        lambda h: special.owens_t(h, 0.7),
        lambda h: (
            mpmath.quad(
                lambda t: mpmath.exp(-h * h * (1 + t * t) / 2) / (1 + t * t), [0, mpmath.mpf(0.7)]
            )
            / (2 * mpmath.pi)
        ),
        (-3.0, 0.1, 4.0),
    ),
    "spence": (
        special.spence,
        lambda z: (
            mpmath.polylog(2, 1 - z)
            if z <= 2
            else -mpmath.polylog(2, 1 / (1 - z)) - mpmath.pi**2 / 6 - mpmath.log(z - 1) ** 2 / 2
        ),
        (1e-2, 0.3, 0.999, 1.0, 1.0001, 1.4, 1.6, 2.5, 100.0),
    ),
    "exp1": (special.exp1, mpmath.e1, POSITIVE),
    "expi": (special.expi, mpmath.ei, (-5.0, -0.1, 0.3, 20.0)),
    "expn": (lambda x: special.expn(3, x), lambda x: mpmath.expint(3, x), POSITIVE),
    "ellipk": (special.ellipk, mpmath.ellipk, (-50.0, -1e-6, 0.0, 0.2, 0.95)),
    "ellipe": (special.ellipe, mpmath.ellipe, (-50.0, -1e-6, 0.0, 0.2, 0.95)),
    "ellipkm1": (special.ellipkm1, lambda p: mpmath.ellipk(1 - p), (0.01, 0.5, 1.0, 30.0)),
    "hyp1f1": (
        lambda x: special.hyp1f1(0.5, 1.5, x),
        lambda x: mpmath.hyp1f1(0.5, 1.5, x),
        SIGNED,
    ),
    "eval_legendre": (
        lambda x: special.eval_legendre(5, x),
        lambda x: mpmath.legendre(5, x),
        (-1.0, 0.0, 0.3, 1.0),
    ),
    "lambertw": (
        lambda x: special.lambertw(x).real,
        lambda x: mpmath.lambertw(x).real,
        (-0.3, 0.0, 0.5, 100.0),
    ),
    "j0": (special.j0, lambda x: mpmath.besselj(0, x), SIGNED),
    "j1": (special.j1, lambda x: mpmath.besselj(1, x), SIGNED),
    "y0": (special.y0, lambda x: mpmath.bessely(0, x), POSITIVE),
    "y1": (special.y1, lambda x: mpmath.bessely(1, x), SOME),
    "i0": (special.i0, lambda x: mpmath.besseli(0, x), SIGNED),
    "i1": (special.i1, lambda x: mpmath.besseli(1, x), SIGNED),
    "i0e": (special.i0e, lambda x: mpmath.besseli(0, x) * mpmath.exp(-abs(x)), SCALED),
    "i1e": (special.i1e, lambda x: mpmath.besseli(1, x) * mpmath.exp(-abs(x)), SCALED),
    "jv": (lambda x: special.jv(ORDER, x), lambda x: mpmath.besselj(ORDER, x), POSITIVE),
    "yv": (lambda x: special.yv(ORDER, x), lambda x: mpmath.bessely(ORDER, x), POSITIVE),
    "iv": (lambda x: special.iv(ORDER, x), lambda x: mpmath.besseli(ORDER, x), POSITIVE),
    "kv": (lambda x: special.kv(ORDER, x), lambda x: mpmath.besselk(ORDER, x), POSITIVE),
    "struve": (lambda x: special.struve(ORDER, x), lambda x: mpmath.struveh(ORDER, x), POSITIVE),
}


def modified(order, scaled):
    """K of an order, times eˣ where scaled, by its integral: mpmath's own takes seconds."""

    def value(x):
        return mpmath.quad(
            lambda t: mpmath.exp(-x * (mpmath.cosh(t) - scaled)) * mpmath.cosh(order * t),
            [0, 1, 2, 4, 8],
        )

    return value


CASES |= {
    "k0": (special.k0, modified(0, 0), SOME),
    "k1": (special.k1, modified(1, 0), SOME),
    "k0e": (special.k0e, modified(0, 1), (*SOME, 500.0)),
    "k1e": (special.k1e, modified(1, 1), SOME),
}


def slope(function, x, order):
    """A derivative at 40 digits; the step is far below what is compared."""
    with mpmath.workdps(40):
        step = mpmath.mpf(10) ** (-12 if order == 1 else -11) * max(1, abs(x))
        return float(mpmath.diff(function, mpmath.mpf(x), order, h=step))


@pytest.mark.parametrize(("function", "exact", "points"), CASES.values(), ids=CASES.keys())
def test_derivatives(function, exact, points):
    first = wg.grad(function)
    for x in points:
        value, tangent = wg.jvp(function, (x,), (1.0,))
        assert value == function(x)
        for found in (first(x), tangent):
            np.testing.assert_allclose(found, slope(exact, x, 1), rtol=1e-12, atol=1e-290)
        second = slope(exact, x, 2)
        np.testing.assert_allclose(wg.grad(first)(x), second, rtol=1e-8, atol=1e-20)


@pytest.mark.parametrize("x", [1e-3, 0.3, 2.0, 30.0, 500.0])
def test_modified_bessel_functions_by_their_order(x):
    assert wg.grad(special.kv, 0)(0.0, x) == 0.0
    np.testing.assert_allclose(wg.grad(special.iv, 0)(0.0, x), -special.kv(0.0, x), rtol=1e-12)
    for order in (0.1, 1.5, 10.0, -0.5):
        for function, exact in ((special.iv, mpmath.besseli), (special.kv, mpmath.besselk)):
            expected = slope(lambda v, exact=exact: exact(v, x), order, 1)
            found = wg.grad(function, 0)(order, x)
            np.testing.assert_allclose(found, expected, rtol=3e-12)
    by_both = wg.grad(wg.grad(special.iv, 0), 1)(1.5, x)
    np.testing.assert_allclose(by_both, wg.grad(wg.grad(special.iv, 1), 0)(1.5, x), rtol=1e-10)
    twice = wg.numerical.derivative(lambda v: wg.grad(special.iv, 0)(v, x))(1.5)
    np.testing.assert_allclose(wg.grad(wg.grad(special.iv, 0), 0)(1.5, x), twice, rtol=1e-6)


def test_orders_where_there_is_no_rule():
    assert np.isnan(wg.grad(special.iv, 0)(1.5, -2.0))
    with pytest.raises(MissingRuleError, match="complex argument"):
        wg.jvp(lambda v: special.iv(v, 1.0 + 0.5j), (1.5,), (1.0,))


def test_every_ufunc_has_scipys_values_whatever_the_precision():
    for primitive in registry:
        name = primitive.name.removeprefix("special_")
        if name == primitive.name:
            continue
        for sample in primitive.samples():
            expected = primitive.numpy(*sample.args)
            position = next(
                i for i, x in enumerate(sample.args) if np.asarray(x).dtype.kind in "fc"
            )

            def call(x, args=sample.args, position=position, numpy=primitive.numpy):
                return numpy(*args[:position], x, *args[position + 1 :])

            found = wg.jit(call)(sample.args[position])
            assert type(found) is type(expected), name
            assert found.dtype == expected.dtype, name
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("function", "argument"),
    [
        (lambda v: special.jv(v, 1.0), "its order"),
        (lambda a: special.gammainc(a, 1.0), "its shape a"),
        (lambda s: special.zeta(s, 2.0), "its exponent"),
        (lambda b: special.hyp2f1(1.0, b, 2.0, 0.3), "b"),
    ],
)
def test_arguments_without_a_rule_are_refused(function, argument):
    for transform in (wg.grad, wg.jacfwd):
        with pytest.raises(MissingRuleError, match=rf"with respect to {argument}.*custom_jvp"):
            transform(function)(1.5)


def test_keywords_and_integers_and_lists():
    x = np.array([0.2, -0.7, 1.3])
    mask = np.array([True, False, True])

    def program(x):
        out = np.zeros(3)
        special.erf(x, out=out, where=mask)  # SciPy 1.17 itself writes outside of arrays here
        return np.sum(out * x) + np.sum(special.xlogy([2, 0, 1], x * x))

    def written_out(x):
        return np.sum(mask * special.erf(x) * x) + np.sum(special.xlogy([2, 0, 1], x * x))

    value, gradient = wg.value_and_grad(program)(x)
    assert value == written_out(x)
    np.testing.assert_allclose(gradient, wg.numerical.gradient(written_out)(x), rtol=1e-8)


def test_programs_of_special_functions_in_every_transformation():
    def likelihood(parameters, counts):
        shape, rate = np.exp(parameters)
        terms = (
            special.gammaln(counts + shape) - special.gammaln(shape) - special.gammaln(counts + 1)
        )
        return np.sum(terms + special.xlogy(shape, rate) - (counts + shape) * np.log1p(rate))

    parameters, counts = np.array([0.3, -0.4]), np.array([3.0, 0.0, 5.0, 1.0])
    expected = wg.grad(likelihood)(parameters, counts)
    numerical = wg.numerical.gradient(likelihood)(parameters, counts)
    np.testing.assert_allclose(expected, numerical, rtol=1e-7)
    compiled = wg.jit(wg.grad(likelihood))
    for _ in range(2):
        np.testing.assert_allclose(compiled(parameters, counts), expected, rtol=1e-14)
    both = wg.vmap(wg.grad(likelihood), (None, 0))(parameters, np.stack([counts, counts + 1]))
    np.testing.assert_allclose(both[0], expected, rtol=1e-14)
    hessian = wg.hessian(likelihood)(parameters, counts)
    numerical = wg.numerical.jacobian(wg.grad(likelihood))(parameters, counts)
    np.testing.assert_allclose(hessian, numerical, rtol=1e-6)


def test_scipy_is_imported_by_the_user_alone():
    program = (
        "import sys, numpy as np, wengert as wg\n"
        "wg.grad(np.sin)(1.0)\n"
        "assert not any(name.partition('.')[0] == 'scipy' for name in sys.modules)\n"
        "from scipy.special import expit\n"
        "assert wg.grad(expit)(0.0) == 0.25\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_rule_of_the_users_own_stays():
    """SciPy's functions get their rules when the first without one is met, not over others."""
    program = (
        "import numpy as np, wengert as wg\n"
        "from scipy import special\n"
        "from wengert import extend\n"
        "extend.elementwise('own', numpy=special.expit, partials=(lambda ans: 7 * ans,))\n"
        "assert wg.grad(special.expit)(0.0) == 3.5\n"
        "assert wg.grad(special.ndtr)(0.0) == 1 / np.sqrt(2 * np.pi)\n"
        "assert wg.grad(special.expit)(0.0) == 3.5\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# ------------------------------------------------------------------ SciPy's own error handling


def of_psi(x):
    return special.psi(x) * 2.0


def in_a_loop(x):
    return wg.fori_loop(0, 2, lambda i, total: total + special.psi(x), 0.0)


@pytest.mark.parametrize("fun", [of_psi, in_a_loop])
def test_compiled_functions_hear_what_errstate_asks_for(fun):
    compiled = wg.jit(fun)
    slope = wg.grad(compiled)
    for _ in range(4):
        assert np.isnan(compiled(-1.0))
        assert np.isnan(slope(-1.0)) == np.isnan(wg.grad(fun)(-1.0))
        with special.errstate(all="raise"):
            for call in (compiled, slope, lambda x: wg.jvp(compiled, (x,), (1.0,))):
                with pytest.raises(special.SpecialFunctionError, match="psi"):
                    call(-1.0)
            assert compiled(2.0) == pytest.approx(fun(2.0), rel=1e-15)
        with special.errstate(singular="warn"), pytest.warns(special.SpecialFunctionWarning):
            compiled(-1.0)
    assert np.isnan(compiled(-1.0))
    assert "while scipy.special.errstate asks" in compiled.explain()
    assert "2 recordings" not in compiled.explain()


def test_errstate_at_the_first_call_leaves_the_function_to_be_compiled():
    compiled = wg.jit(of_psi)
    for _ in range(2):
        with special.errstate(all="raise"), pytest.raises(special.SpecialFunctionError):
            compiled(-1.0)
        with special.errstate(all="raise"):
            assert compiled(2.0) == of_psi(2.0)
        assert wg.grad(compiled)(2.0) == pytest.approx(wg.grad(of_psi)(2.0), rel=1e-15)
    assert np.isnan(compiled(-1.0))
    assert "1 path" in compiled.explain()


def test_functions_that_set_errstate_run_as_they_are():
    def guarded(x):
        try:
            with special.errstate(all="raise"):
                return special.psi(x)
        except special.SpecialFunctionError:
            return x

    compiled = wg.jit(guarded)
    for _ in range(3):
        assert (compiled(2.0), compiled(-1.0)) == (guarded(2.0), -1.0)
    assert "runs uncompiled: it cannot be recorded" in compiled.explain()
    assert "scipy.special.errstate" in compiled.explain()


def test_errstate_does_not_matter_to_other_functions():
    compiled = wg.jit(lambda x: np.exp(x) * 2.0)
    with special.errstate(all="raise"):
        compiled(1.0)
    assert "1 recording, 1 path" in compiled.explain()
    assert "runs uncompiled" not in compiled.explain()
