"""Calls into SciPy's solvers: optimisation, integration, interpolation, sparse linear algebra.

Most of them call back into functions here that build their results with ``np.array``, ``np.zeros``
and buffers that they fill, as users' functions do.
"""

import numpy as np
import scipy.differentiate
import scipy.integrate
import scipy.interpolate
import scipy.optimize
import scipy.sparse
import scipy.sparse.csgraph
import scipy.sparse.linalg

from library_calls import (
    DECAYED,
    IMAGE,
    MATRIX,
    NOISE,
    POINTS,
    RIGHT,
    START,
    SYMMETRIC,
    TIMES,
    call,
)


def fields(result, *names):
    """Chosen fields of an optimisation or integration result, as a plain tuple."""
    return tuple(result[name] for name in names)


LAPLACIAN = scipy.sparse.diags_array(
    [-1.0, 2.5, -1.0], offsets=[-1, 0, 1], shape=(30, 30), format="csr"
)
LOAD = np.sin(np.arange(30.0))


# Call-backs that build arrays in every common way.


def rosenbrock(x):
    terms = np.zeros(2)
    terms[0] = 10.0 * (x[1] - x[0] ** 2)
    terms[1] = 1.0 - x[0]
    return float(np.sum(terms**2))


def rosenbrock_slope(x):
    slope = np.zeros_like(x)
    slope[0] = -400.0 * x[0] * (x[1] - x[0] ** 2) - 2.0 * (1.0 - x[0])
    slope[1] = 200.0 * (x[1] - x[0] ** 2)
    return slope


def rosenbrock_curvature(x):
    off = -400.0 * x[0]
    return np.array([[1200.0 * x[0] ** 2 - 400.0 * x[1] + 2.0, off], [off, 200.0]])


def circle_and_line(x):
    return np.array([x[0] ** 2 + x[1] ** 2 - 2.0, x[0] - x[1] + 0.5])


def circle_and_line_slope(x):
    slope = np.empty((2, 2))
    slope[0] = 2.0 * x
    slope[1] = [1.0, -1.0]
    return slope


def pendulum(t, state):
    return np.array([state[1], -np.sin(state[0]) - 0.1 * t * state[1]])


def pendulum_slope(t, state):
    slope = np.zeros((2, 2))
    slope[0, 1] = 1.0
    slope[1] = [-np.cos(state[0]), -0.1 * t]
    return slope


def decay(t, rate, offset):
    return rate * np.exp(-t) + offset * np.ones_like(t)


# Optimisation.

for method in ["Nelder-Mead", "Powell", "CG", "BFGS", "L-BFGS-B", "TNC", "SLSQP", "COBYLA"]:

    def minimise(method=method):
        options = {"maxfun" if method == "TNC" else "maxiter": 60}
        result = scipy.optimize.minimize(rosenbrock, START, method=method, options=options)
        return fields(result, "x", "fun", "nfev", "message")

    call(f"scipy.optimize.minimize-{method}")(minimise)

for method in ["BFGS", "L-BFGS-B", "Newton-CG", "dogleg", "trust-ncg", "trust-krylov", "SLSQP"]:

    def minimise_with_slopes(method=method):
        curvature = None if method in ("BFGS", "L-BFGS-B", "SLSQP") else rosenbrock_curvature
        result = scipy.optimize.minimize(
            rosenbrock, START, method=method, jac=rosenbrock_slope, hess=curvature
        )
        return fields(result, "x", "fun", "jac", "nfev")

    call(f"scipy.optimize.minimize-{method}-with-slopes")(minimise_with_slopes)

for method in ["hybr", "lm", "broyden1", "krylov", "df-sane"]:

    def find_root(method=method):
        return fields(scipy.optimize.root(circle_and_line, START, method=method), "x", "fun")

    call(f"scipy.optimize.root-{method}")(find_root)

for method in ["trf", "dogbox", "lm"]:

    def fit_by_least_squares(method=method):
        result = scipy.optimize.least_squares(
            lambda p: decay(TIMES, *p) - DECAYED, np.ones(2), method=method
        )
        return fields(result, "x", "cost", "fun", "jac", "grad")

    call(f"scipy.optimize.least_squares-{method}")(fit_by_least_squares)


@call("scipy.optimize.root_with_slope")
def root_with_slope():
    result = scipy.optimize.root(circle_and_line, START, jac=circle_and_line_slope)
    return fields(result, "x", "fun", "fjac", "qtf")


@call("scipy.optimize.minimize_with_constraints")
def minimize_with_constraints():
    constraints = [
        {"type": "eq", "fun": lambda x: np.array([x[0] + x[1] - 1.0])},
        {"type": "ineq", "fun": lambda x: x[0] - 0.1, "jac": lambda _: np.array([1.0, 0.0])},
    ]
    result = scipy.optimize.minimize(
        rosenbrock, START, jac=rosenbrock_slope, constraints=constraints, bounds=[(-1.0, 2.0)] * 2
    )
    return fields(result, "x", "fun", "jac", "nit")


@call("scipy.optimize.minimize_trust_constr")
def minimize_trust_constr():
    disc = scipy.optimize.NonlinearConstraint(
        lambda x: np.array([x @ x]), -np.inf, 1.5, jac=lambda x: 2.0 * np.array([x])
    )
    result = scipy.optimize.minimize(
        rosenbrock,
        START,
        method="trust-constr",
        jac=rosenbrock_slope,
        hess=rosenbrock_curvature,
        constraints=[disc],
        options={"maxiter": 15},
    )
    return fields(result, "x", "fun", "grad", "nit")


@call("scipy.optimize.brentq")
def brentq():
    return scipy.optimize.brentq(lambda t: np.array([t, 1.0]) @ np.array([t**2, -2.0]), 0.0, 2.0)


@call("scipy.optimize.newton")
def newton():
    return scipy.optimize.newton(lambda t: t**3 - np.full(3, 2.0), np.array([1.0, 1.5, 2.0]))


@call("scipy.optimize.minimize_scalar")
def minimize_scalar():
    return fields(scipy.optimize.minimize_scalar(lambda t: np.sum(np.ones(3) * (t - 2) ** 4)), "x")


@call("scipy.optimize.curve_fit")
def curve_fit():
    return scipy.optimize.curve_fit(decay, TIMES, DECAYED, p0=[1.0, 0.0])


@call("scipy.optimize.curve_fit_with_slope")
def curve_fit_with_slope():
    def slope(t, rate, offset):
        return np.stack([np.exp(-t), np.ones_like(t)], axis=1)

    return scipy.optimize.curve_fit(decay, TIMES, DECAYED, p0=[1.0, 0.0], jac=slope)


@call("scipy.optimize.linprog")
def linprog():
    result = scipy.optimize.linprog([-1.0, -2.0], A_ub=[[1.0, 1.0], [1.0, 3.0]], b_ub=[4.0, 6.0])
    return fields(result, "x", "fun", "slack", "status")


@call("scipy.optimize.milp")
def milp():
    bound = scipy.optimize.LinearConstraint([[2.0, 3.0, 1.0]], -np.inf, [7.5])
    result = scipy.optimize.milp(
        [-3.0, -4.0, -1.0], integrality=[1, 1, 0], constraints=bound, bounds=(0.0, 3.0)
    )
    return fields(result, "x", "fun", "status")


@call("scipy.optimize.differential_evolution")
def differential_evolution():
    result = scipy.optimize.differential_evolution(
        rosenbrock, [(-1.0, 2.0), (-1.0, 2.0)], maxiter=4, rng=np.random.default_rng(5)
    )
    return fields(result, "x", "fun", "nfev")


@call("scipy.optimize.basinhopping")
def basinhopping():
    result = scipy.optimize.basinhopping(rosenbrock, START, niter=2, rng=np.random.default_rng(5))
    return fields(result, "x", "fun", "nfev")


@call("scipy.optimize.nnls_and_assignment")
def nnls_and_assignment():
    return scipy.optimize.nnls(SYMMETRIC, RIGHT), scipy.optimize.linear_sum_assignment(MATRIX)


@call("scipy.optimize.lsq_linear")
def lsq_linear():
    return fields(scipy.optimize.lsq_linear(MATRIX, RIGHT, bounds=(-1.0, 1.0)), "x", "cost")


@call("scipy.optimize.approx_fprime")
def approx_fprime():
    return scipy.optimize.approx_fprime(START, circle_and_line, 1e-6)


@call("scipy.optimize.fixed_point")
def fixed_point():
    return scipy.optimize.fixed_point(lambda x: np.array([np.cos(x[1]), 0.5 * x[0]]), START)


@call("scipy.differentiate.jacobian")
def jacobian():
    result = scipy.differentiate.jacobian(
        lambda x: np.stack([x[0] * x[1], np.sin(x[0])]), START, maxiter=3
    )
    return result.df, result.error


# Integration.


@call("scipy.integrate.quad")
def quad():
    return scipy.integrate.quad(lambda t: np.sum(np.array([t, np.exp(-t)])), 0.0, 2.0)


@call("scipy.integrate.quad_of_numpy_scalar")
def quad_of_numpy_scalar():
    return scipy.integrate.quad(lambda t: np.array([t, 2.0])[0] * np.zeros(2)[1] + t, 0.0, 1.0)


@call("scipy.integrate.nquad")
def nquad():
    return scipy.integrate.nquad(
        lambda s, t: np.linalg.norm(np.array([s, t])), [lambda t: np.array([0.0, t]), [0.0, 1.0]]
    )


@call("scipy.integrate.dblquad")
def dblquad():
    return scipy.integrate.dblquad(lambda s, t: np.ones(2) @ np.array([s, t]), 0, 1, 0, 1)


@call("scipy.integrate.quad_vec")
def quad_vec():
    return scipy.integrate.quad_vec(lambda t: np.array([t, t**2, np.sqrt(1 + t)]), 0.0, 1.0)


@call("scipy.integrate.fixed_quad")
def fixed_quad():
    return scipy.integrate.fixed_quad(lambda t: t * np.ones_like(t), 0.0, 1.0, n=4)


for method in ["RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA"]:

    def integrate_pendulum(method=method):
        slope = {"jac": pendulum_slope} if method in ("Radau", "BDF", "LSODA") else {}
        result = scipy.integrate.solve_ivp(
            pendulum, (0.0, 2.0), np.array([0.9, 0.0]), method=method, t_eval=TIMES, **slope
        )
        return fields(result, "t", "y", "nfev", "status")

    call(f"scipy.integrate.solve_ivp-{method}")(integrate_pendulum)


@call("scipy.integrate.solve_ivp_with_events")
def solve_ivp_with_events():
    def lowest(t, state):
        return np.array([1.0, 0.0]) @ state

    result = scipy.integrate.solve_ivp(
        pendulum, (0.0, 3.0), [0.9, 0.0], events=lowest, dense_output=True
    )
    return result.t_events, result.y_events, result.sol(TIMES)


@call("scipy.integrate.odeint")
def odeint():
    return scipy.integrate.odeint(lambda state, t: pendulum(t, state), np.array([0.9, 0.0]), TIMES)


@call("scipy.integrate.odeint_with_slope")
def odeint_with_slope():
    return scipy.integrate.odeint(pendulum, [0.9, 0.0], TIMES, Dfun=pendulum_slope, tfirst=True)


@call("scipy.integrate.ode_class")
def ode_class():
    solver = scipy.integrate.ode(pendulum, pendulum_slope).set_integrator("vode", method="bdf")
    solver.set_initial_value(np.array([0.9, 0.0]), 0.0)
    return [solver.integrate(t) for t in (0.5, 1.0)]


@call("scipy.integrate.solve_bvp")
def solve_bvp():
    def slope(t, state):
        return np.vstack([state[1], -state[0] * np.ones_like(t)])

    def ends(left, right):
        return np.array([left[0], right[0] - 1.0])

    result = scipy.integrate.solve_bvp(slope, ends, TIMES[:5], np.zeros((2, 5)))
    return result.x, result.y, result.rms_residuals


@call("scipy.integrate.sampled")
def sampled():
    return (
        scipy.integrate.simpson(DECAYED, x=TIMES),
        scipy.integrate.cumulative_trapezoid(DECAYED, TIMES, initial=0.0),
        scipy.integrate.romb(DECAYED),
    )


# Interpolation.


@call("scipy.interpolate.CubicSpline")
def cubic_spline():
    spline = scipy.interpolate.CubicSpline(TIMES, DECAYED, bc_type="natural")
    return spline.c, spline(TIMES[:-1] + 0.1), spline(0.7, 2), spline.integrate(0.1, 1.3)


@call("scipy.interpolate.monotone_and_akima")
def monotone_and_akima():
    pchip = scipy.interpolate.PchipInterpolator(TIMES, DECAYED)
    return pchip(1.23), scipy.interpolate.Akima1DInterpolator(TIMES, DECAYED)(TIMES[1:] - 0.1)


@call("scipy.interpolate.RegularGridInterpolator")
def regular_grid_interpolator():
    axes = (np.linspace(0.0, 1.0, 9), np.linspace(0.0, 1.0, 11))
    linear = scipy.interpolate.RegularGridInterpolator(axes, IMAGE)
    cubic = scipy.interpolate.RegularGridInterpolator(axes, IMAGE, method="cubic")
    return linear(POINTS), cubic(POINTS[:5])


@call("scipy.interpolate.griddata")
def griddata():
    values = np.sin(POINTS[:, 0]) + POINTS[:, 1]
    return [
        scipy.interpolate.griddata(POINTS, values, POINTS.mean(0)[None], method=method)
        for method in ("nearest", "linear", "cubic")
    ]


@call("scipy.interpolate.RBFInterpolator")
def rbfinterpolator():
    return scipy.interpolate.RBFInterpolator(POINTS, NOISE[:24], smoothing=0.1)(POINTS[:3] + 0.01)


@call("scipy.interpolate.BSpline")
def bspline():
    spline = scipy.interpolate.make_interp_spline(TIMES, DECAYED, k=3)
    element = scipy.interpolate.BSpline.basis_element(np.arange(5.0))
    return spline.t, spline.c, spline.derivative()(0.4), element(1.7)


@call("scipy.interpolate.fitpack")
def fitpack():
    knots = scipy.interpolate.splrep(TIMES, DECAYED, s=1e-4)
    smooth = scipy.interpolate.UnivariateSpline(TIMES, DECAYED, s=1e-4)
    return knots, scipy.interpolate.splev(0.3, knots, der=1), smooth(TIMES), smooth.roots()


@call("scipy.interpolate.RectBivariateSpline")
def rect_bivariate_spline():
    spline = scipy.interpolate.RectBivariateSpline(np.arange(9.0), np.arange(11.0), IMAGE)
    return spline.ev([1.5, 2.5], [3.5, 7.25]), spline.integral(0, 8, 0, 10)


@call("scipy.interpolate.polynomial_forms")
def polynomial_forms():
    barycentric = scipy.interpolate.BarycentricInterpolator(TIMES, DECAYED)
    krogh = scipy.interpolate.KroghInterpolator(TIMES, DECAYED)
    return barycentric(0.33), krogh.derivatives(0.5), scipy.interpolate.AAA(TIMES, DECAYED)(0.4)


# Sparse matrices.


@call("scipy.sparse.arithmetic")
def arithmetic():
    product = LAPLACIAN @ LAPLACIAN.T + 2.0 * LAPLACIAN
    return product, LAPLACIAN @ LOAD, product[3:7, 2:9].tocsc(), product.sum(axis=0), abs(product)


@call("scipy.sparse.construction")
def construction():
    cells = scipy.sparse.lil_array((4, 5))
    cells[1, 2:4] = [3.0, 4.0]
    keys = scipy.sparse.dok_array((3, 3))
    keys[0, 2] = 1.5
    return (
        cells.tocsr(),
        keys.tocoo(),
        scipy.sparse.kron(keys, cells),
        scipy.sparse.block_diag([np.ones((2, 2)), cells]),
        scipy.sparse.random_array((5, 6), density=0.4, rng=np.random.default_rng(3)),
    )


@call("scipy.sparse.linalg.direct")
def direct():
    factors = scipy.sparse.linalg.splu(LAPLACIAN.tocsc())
    return scipy.sparse.linalg.spsolve(LAPLACIAN, LOAD), factors.L, factors.solve(LOAD)


def difference_operator():
    def matvec(v):
        out = np.zeros(30)
        out[:] = 2.5 * v.ravel()
        out[1:] -= v.ravel()[:-1]
        out[:-1] -= v.ravel()[1:]
        return out

    return scipy.sparse.linalg.LinearOperator((30, 30), matvec=matvec, rmatvec=matvec, dtype=float)


for solver in ["cg", "gmres", "bicgstab", "minres", "lgmres", "qmr", "tfqmr"]:

    def solve_iteratively(solver=solver):
        steps = []
        options = {"callback_type": "pr_norm"} if solver == "gmres" else {}
        result = getattr(scipy.sparse.linalg, solver)(
            difference_operator(), LOAD, callback=lambda _: steps.append(np.zeros(2)), **options
        )
        return *result, len(steps)

    call(f"scipy.sparse.linalg.{solver}")(solve_iteratively)


@call("scipy.sparse.linalg.least_squares")
def least_squares():
    operator = difference_operator()
    return scipy.sparse.linalg.lsqr(operator, LOAD), scipy.sparse.linalg.lsmr(operator, LOAD)


@call("scipy.sparse.linalg.eigsh")
def eigsh():
    # A start without symmetry: ARPACK meets no invariant subspace, so it draws no random restart.
    return scipy.sparse.linalg.eigsh(difference_operator(), k=3, v0=1.0 + LOAD, which="LM")


@call("scipy.sparse.linalg.svds")
def svds():
    return scipy.sparse.linalg.svds(LAPLACIAN, k=2, v0=1.0 + LOAD)


@call("scipy.sparse.linalg.lobpcg")
def lobpcg():
    start = np.cos(np.outer(np.arange(30.0), [1.0, 2.9]))
    return scipy.sparse.linalg.lobpcg(LAPLACIAN, start, largest=True, maxiter=200, tol=1e-3)


@call("scipy.sparse.linalg.expm_multiply")
def expm_multiply():
    return scipy.sparse.linalg.expm_multiply(-LAPLACIAN, LOAD, traceA=-75.0)


@call("scipy.sparse.csgraph")
def csgraph():
    graph = scipy.sparse.csr_array(np.triu(IMAGE[:, :9], 1) * (IMAGE[:, :9] > 0.5))
    return (
        scipy.sparse.csgraph.dijkstra(graph, indices=0, return_predecessors=True),
        scipy.sparse.csgraph.connected_components(graph),
        scipy.sparse.csgraph.minimum_spanning_tree(graph),
    )
