"""Programs of partial differential equations: stencils, fluids, waves, implicit steps."""

import numpy as np

from .registry import normal, program, uniform


@program(normal(101, 6, 6))
def jacobi_stencil(field):
    """Two buffers that swap roles."""
    a, b = np.array(field), np.zeros_like(field)
    b[:] = a
    for _ in range(3):
        b[1:-1, 1:-1] = 0.2 * (
            a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[2:, 1:-1] + a[:-2, 1:-1]
        )
        a, b = b, a
    return a


@program(normal(102, 5, 5))
def seidel_stencil(field):
    """Each entry is overwritten from neighbours of which half are new."""
    a = field.copy()
    n = a.shape[0]
    for _ in range(2):
        for i in range(1, n - 1):
            for j in range(1, n - 1):
                a[i, j] = (
                    a[i - 1, j - 1] + a[i - 1, j] + a[i - 1, j + 1]
                    + a[i, j - 1] + a[i, j] + a[i, j + 1]
                    + a[i + 1, j - 1] + a[i + 1, j] + a[i + 1, j + 1]
                ) / 9.0  # fmt: skip
    return a


@program({"u": normal(103, 8), "alpha": 0.2})
def heat_equation(p):
    u = p["u"].copy()
    for _ in range(10):
        u[1:-1] += p["alpha"] * (u[2:] - 2 * u[1:-1] + u[:-2])
        u[0] = u[1]
        u[-1] = u[-2]
    return u


@program(normal(104, 4, 4, 4))
def heat_in_three_dimensions(start):
    a = start + 0.0
    for _ in range(2):
        new = a.copy()
        for axis in range(3):
            lifted = np.moveaxis(a, axis, 0)
            target = np.moveaxis(new, axis, 0)
            target[1:-1] += 0.125 * (lifted[2:] - 2.0 * lifted[1:-1] + lifted[:-2])
        a = new
    return a.sum(axis=(0, 2))


@program({"u": normal(105, 5, 5), "step": 0.3})
def alternating_directions(p):
    """ADI: implicit along columns, then along rows, each by forward and backward sweeps."""
    n = 5
    u = np.copy(p["u"])
    r = p["step"]
    a, b = -r, 1 + 2 * r
    for _ in range(2):
        for transposed in (False, True):
            w = u.T if transposed else u
            q = np.zeros((n, n))
            c = np.zeros((n, n))
            out = np.zeros((n, n))
            for i in range(1, n - 1):
                for j in range(1, n - 1):
                    c[i, j] = -a / (a * c[i, j - 1] + b)
                    right = r * w[i - 1, j] + (1 - 2 * r) * w[i, j] + r * w[i + 1, j]
                    q[i, j] = (right - a * q[i, j - 1]) / (a * c[i, j - 1] + b)
                for j in range(n - 2, 0, -1):
                    out[i, j] = c[i, j] * out[i, j + 1] + q[i, j]
            if transposed:
                u[1:-1, 1:-1] = out.T[1:-1, 1:-1]
            else:
                u[1:-1, 1:-1] = out[1:-1, 1:-1]
    return u


@program({"ex": normal(106, 4, 5), "ey": normal(107, 4, 5), "hz": normal(108, 4, 5)})
def electromagnetic_waves(fields):
    ex, ey, hz = (fields[name].copy() for name in ("ex", "ey", "hz"))
    for t in range(3):
        ey[0, :] = np.sin(0.3 * t)
        ey[1:, :] -= 0.5 * (hz[1:, :] - hz[:-1, :])
        ex[:, 1:] -= 0.5 * (hz[:, 1:] - hz[:, :-1])
        hz[:-1, :-1] -= 0.7 * (ex[:-1, 1:] - ex[:-1, :-1] + ey[1:, :-1] - ey[:-1, :-1])
    return np.stack((ex, ey, hz)).mean(axis=0)


@program({"u": 1.0 + 0.3 * normal(109, 8), "viscosity": 0.07})
def burgers_equation(p):
    u, nu = p["u"], p["viscosity"]
    dx, dt = 0.5, 0.05
    for _ in range(6):
        left, right = np.roll(u, 1), np.roll(u, -1)
        u = u - u * dt / dx * (u - left) + nu * dt / dx**2 * (right - 2 * u + left)
    return u


@program(
    (normal(110, 8), uniform(111, 0.3, 0.9, 8) * np.array([1, -1, 1, 1, -1, -1, 1, -1])),
    "positions",
)
def upwind_advection(parameters):
    """The scheme looks where the wind comes from, entry by entry, with masks."""
    c, wind = parameters
    for _ in range(4):
        backward = c - np.roll(c, 1)
        forward = np.roll(c, -1) - c
        gradient = np.where(wind > 0, backward, forward)
        c = c - 0.4 * wind * gradient
    c = np.array(c)
    c[wind < 0] *= 0.5
    return c


@program({"height": 1.0 + 0.2 * uniform(112, 0, 1, 8), "momentum": 0.1 * normal(113, 8)})
def shallow_water(state):
    """Lax–Friedrichs steps of a stacked state with fluxes from a function."""

    def flux(q):
        h, hu = q
        return np.array([hu, hu**2 / h + 0.5 * 9.81 * h**2])

    q = np.array([state["height"], state["momentum"]])
    dt, dx = 0.01, 0.1
    for _ in range(4):
        f = flux(q)
        q = 0.5 * (np.roll(q, 1, axis=1) + np.roll(q, -1, axis=1)) - dt / (2 * dx) * (
            np.roll(f, -1, axis=1) - np.roll(f, 1, axis=1)
        )
    return q


@program({"u": uniform(114, 0.4, 1.0, 4, 4), "v": uniform(115, 0.1, 0.4, 4, 4), "feed": 0.04})
def reaction_and_diffusion(p):
    u, v = p["u"], p["v"]

    def laplacian(z):
        return sum(np.roll(z, shift, axis) for shift in (1, -1) for axis in (0, 1)) - 4 * z

    for _ in range(4):
        reaction = u * v * v
        u, v = (
            u + 0.16 * laplacian(u) - reaction + p["feed"] * (1 - u),
            v + 0.08 * laplacian(v) + reaction - (p["feed"] + 0.06) * v,
        )
    return np.stack([u, v])


@program({"lid": 1.0, "viscosity": 0.1, "u": 0.1 * normal(116, 5, 5), "v": 0.1 * normal(117, 5, 5)})
def cavity_flow(p):
    """Two steps of the Navier–Stokes equations with an inner iteration for the pressure."""
    n, dx, dt, rho = 5, 0.25, 0.01, 1.0
    u, v, pressure = p["u"].copy(), p["v"].copy(), np.zeros((n, n))
    nu = p["viscosity"]
    for _ in range(2):
        b = np.zeros((n, n))
        du = (u[1:-1, 2:] - u[1:-1, :-2]) / (2 * dx)
        dv = (v[2:, 1:-1] - v[:-2, 1:-1]) / (2 * dx)
        b[1:-1, 1:-1] = rho * ((du + dv) / dt - du**2 - dv**2)
        for _ in range(4):
            pn = pressure.copy()
            pressure[1:-1, 1:-1] = (
                pn[1:-1, 2:] + pn[1:-1, :-2] + pn[2:, 1:-1] + pn[:-2, 1:-1]
            ) / 4 - dx**2 / 4 * b[1:-1, 1:-1]
            pressure[:, -1] = pressure[:, -2]
            pressure[0, :] = pressure[1, :]
            pressure[:, 0] = pressure[:, 1]
            pressure[-1, :] = 0
        un, vn = u.copy(), v.copy()
        for field, old, axis in ((u, un, 1), (v, vn, 0)):
            rise = np.diff(pressure, axis=axis)
            rise = rise[1:-1, 1:] if axis == 1 else rise[1:, 1:-1]
            field[1:-1, 1:-1] = (
                old[1:-1, 1:-1]
                - un[1:-1, 1:-1] * dt / dx * (old[1:-1, 1:-1] - old[1:-1, :-2])
                - vn[1:-1, 1:-1] * dt / dx * (old[1:-1, 1:-1] - old[:-2, 1:-1])
                - dt / (rho * dx) * rise
                + nu * dt / dx**2 * (
                    old[1:-1, 2:] + old[1:-1, :-2] + old[2:, 1:-1] + old[:-2, 1:-1]
                    - 4 * old[1:-1, 1:-1]
                )
            )  # fmt: skip
        u[0, :] = u[:, 0] = u[:, -1] = 0
        v[[0, -1], :] = 0
        v[:, [0, -1]] = 0
        u[-1, :] = p["lid"]
    return np.concatenate([u, v, pressure])


@program({"f": uniform(118, 0.8, 1.2, 9, 3, 3), "relaxation": 0.7})
def lattice_boltzmann(p):
    velocities = np.array([(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)])
    weights = np.array([{0: 4 / 9, 1: 1 / 9, 2: 1 / 36}[int(abs(v).sum())] for v in velocities])
    f = p["f"] * weights[:, None, None]
    for _ in range(3):
        density = f.sum(axis=0)
        flow = np.tensordot(velocities.T, f, axes=1) / density
        speed2 = (flow**2).sum(axis=0)
        for i, (velocity, weight) in enumerate(zip(velocities, weights, strict=True)):
            cu = velocity[0] * flow[0] + velocity[1] * flow[1]
            equilibrium = density * weight * (1 + 3 * cu + 4.5 * cu**2 - 1.5 * speed2)
            f[i] += p["relaxation"] * (equilibrium - f[i])
        f = np.array([np.roll(f[i], tuple(v), axis=(0, 1)) for i, v in enumerate(velocities)])
    return f.sum(axis=0)


@program({"conductivity": uniform(119, 0.5, 2.0, 5), "start": normal(120, 6)})
def crank_nicolson(p):
    k = p["conductivity"]
    n = 6
    operator = np.zeros((n, n))
    index = np.arange(n - 1)
    operator[index, index + 1] = k
    operator[index + 1, index] = k
    operator[np.diag_indices(n)] = -operator.sum(axis=1)
    left, right = np.eye(n) - 0.1 * operator, np.eye(n) + 0.1 * operator
    u = p["start"]
    for _ in range(3):
        u = np.linalg.solve(left, right @ u)
    return u


@program({"psi": normal(121, 8), "potential": normal(122, 8)})
def schroedinger_by_split_steps(p):
    """Complex numbers inside, real ones outside."""
    psi = p["psi"].astype(complex)
    psi /= np.sqrt(np.sum(np.abs(psi) ** 2))
    half = np.exp(-0.05j * p["potential"])
    n = len(psi)
    k = np.minimum(np.arange(n), n - np.arange(n))
    grid = np.arange(n)
    transform = np.exp(-2j * np.pi * np.outer(grid, grid) / n) / np.sqrt(n)
    for _ in range(3):
        psi = half * psi
        psi = transform @ psi
        psi *= np.exp(-0.02j * k**2)
        psi = np.conj(transform) @ psi
        psi = half * psi
    return psi.real**2 + psi.imag**2


@program({"phi": normal(123, 6, 6) + 0.5, "speed": 0.4}, step=0.001)
def level_set_motion(p):
    """Godunov's differences: maxima and minima of one-sided slopes."""
    phi = p["phi"]
    for _ in range(2):
        padded = np.pad(phi, 1, mode="edge")
        left = padded[1:-1, 1:-1] - padded[1:-1, :-2]
        right = padded[1:-1, 2:] - padded[1:-1, 1:-1]
        down = padded[1:-1, 1:-1] - padded[:-2, 1:-1]
        up = padded[2:, 1:-1] - padded[1:-1, 1:-1]
        slope = np.sqrt(
            np.maximum(left, 0) ** 2
            + np.minimum(right, 0) ** 2
            + np.maximum(down, 0) ** 2
            + np.minimum(up, 0) ** 2
            + 1e-2
        )
        phi = phi - 0.1 * p["speed"] * slope
    return phi


@program({"source": normal(124, 4, 8), "width": 1.2})
def poisson_equation_by_transforms(p):
    """Solved in the space of frequencies, after smoothing by a Gaussian there."""
    rows, columns = p["source"].shape
    k = 2 * np.pi * np.fft.fftfreq(rows)[:, None]
    m = 2 * np.pi * np.fft.rfftfreq(columns)[None, :]
    symbol = 2 * np.cos(k) + 2 * np.cos(m) - 4
    symbol[0, 0] = 1.0
    spectrum = np.fft.rfft2(p["source"]) * np.exp(-(k**2 + m**2) * p["width"] ** 2 / 2)
    spectrum = spectrum / symbol
    spectrum[0, 0] = 0.0
    return np.fft.irfft2(spectrum, s=(rows, columns))
