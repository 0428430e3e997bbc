"""Programs of mechanics and ordinary differential equations: steppers, bodies, chains, events."""

from collections import namedtuple
from dataclasses import dataclass, replace

import numpy as np

from .registry import normal, program, uniform


def runge_kutta_step(f, t, y, h, *args):
    k1 = f(t, y, *args)
    k2 = f(t + h / 2, y + h / 2 * k1, *args)
    k3 = f(t + h / 2, y + h / 2 * k2, *args)
    k4 = f(t + h, y + h * k3, *args)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


@program({"angle": 0.8, "speed": 0.1, "length": 1.3, "damping": 0.2})
def pendulum(p):
    def f(t, y):
        theta, omega = y
        return np.array([omega, -9.81 / p["length"] * np.sin(theta) - p["damping"] * omega])

    y = np.array([p["angle"], p["speed"]])
    trajectory = []
    for step in range(8):
        y = runge_kutta_step(f, 0.05 * step, y, 0.05)
        trajectory.append(y)
    return np.array(trajectory)


@program(np.array([1.1, 0.4, 0.4, 0.1, 10.0, 5.0]), step=0.02)
def lotka_volterra(parameters):
    alpha, beta, gamma, delta, prey, predators = parameters
    h = 0.05
    for _ in range(20):
        births, deaths = alpha * prey, gamma * predators
        meetings = prey * predators
        prey = prey + h * (births - beta * meetings)
        predators = predators + h * (delta * meetings - deaths)
    return np.array([prey, predators])


@dataclass
class Epidemic:
    susceptible: float
    infected: float
    recovered: float
    transmission: float = 1.8
    recovery: float = 0.4


@program(Epidemic(0.95, 0.05, 0.0), "branches", step=0.01)
def epidemic(state):
    """SIR by replacing a dataclass; the peak is found at the end."""
    history = []
    for _ in range(15):
        new = state.transmission * state.susceptible * state.infected
        healed = state.recovery * state.infected
        state = replace(
            state,
            susceptible=state.susceptible - new,
            infected=state.infected + new - healed,
            recovered=state.recovered + healed,
        )
        history.append(state.infected)
    return np.array([max(history), state.susceptible, state.recovered])


@program(
    {"mass": uniform(131, 0.5, 2.0, 3), "place": normal(132, 3, 2), "speed": normal(133, 3, 2)},
    step=0.01,
)
def bodies_by_pairs(p):
    """Gravitation with loops over pairs and kick–drift steps in place."""
    x, v = p["place"].copy(), p["speed"].copy()
    m = p["mass"]
    for _ in range(3):
        for i in range(len(m)):
            for j in range(i + 1, len(m)):
                d = x[j] - x[i]
                strength = 1.0 / (d @ d + 0.05) ** 1.5
                v[i] += 0.02 * m[j] * strength * d
                v[j] -= 0.02 * m[i] * strength * d
        x += 0.02 * v
    return np.concatenate((x, v), axis=1)


@program((uniform(134, 0.5, 2.0, 4), normal(135, 4, 3), normal(136, 4, 3)), step=0.01)
def bodies_by_broadcasting(parameters):
    """Leapfrog of all pairs at once, and the energy at the end."""
    mass, x, v = parameters

    def acceleration(x):
        separation = x[None, :, :] - x[:, None, :]
        squared = np.sum(separation**2, axis=-1) + 0.1
        return np.sum(mass[None, :, None] * separation * squared[..., None] ** -1.5, axis=1)

    a = acceleration(x)
    for _ in range(4):
        v = v + 0.01 * a
        x = x + 0.02 * v
        a = acceleration(x)
        v = v + 0.01 * a
    kinetic = 0.5 * np.sum(mass * np.einsum("ij,ij->i", v, v))
    rows, columns = np.triu_indices(len(mass), k=1)
    distances = np.sqrt(np.sum((x[rows] - x[columns]) ** 2, axis=1) + 0.1)
    return kinetic - np.sum(mass[rows] * mass[columns] / distances)


class Particle:
    """State that methods change; the trail is kept in a list."""

    def __init__(self, position, velocity, mass=1.0):
        self.position = np.asarray(position, dtype=float)
        self.velocity = velocity
        self.mass = mass
        self.trail = [self.position]

    @property
    def energy(self):
        return 0.5 * self.mass * (self.velocity @ self.velocity)

    def push(self, force, dt):
        self.velocity = self.velocity + dt / self.mass * force
        self.position = self.position + dt * self.velocity
        self.trail.append(self.position)
        return self


@program({"x": normal(137, 2), "v": normal(138, 2), "mass": 1.4, "stiffness": 3.0})
def particle_on_a_spring(p):
    particle = Particle(p["x"], p["v"], mass=p["mass"])
    for _ in range(10):
        particle.push(-p["stiffness"] * particle.position, dt=0.05)
    return particle.energy + np.sum(np.array(particle.trail)[-3:])


@program({"speed": 12.0, "angle": 0.7, "drag": 0.05}, "loops", step=0.004)
def throw_until_landing(p):
    """The number of steps depends on the parameters; the landing is interpolated."""
    x, y = 0.0, 1.0
    vx, vy = p["speed"] * np.cos(p["angle"]), p["speed"] * np.sin(p["angle"])
    dt = 0.05
    while True:
        speed = np.hypot(vx, vy)
        ax, ay = -p["drag"] * speed * vx, -9.81 - p["drag"] * speed * vy
        x_new, y_new = x + dt * vx, y + dt * vy
        if y_new < 0:
            break
        x, y = x_new, y_new
        vx, vy = vx + dt * ax, vy + dt * ay
    return x + y / (y - y_new) * (x_new - x)


@program({"rate": 1.3, "start": 0.8}, "loops", "branches", step=0.001)
def adaptive_steps(p):
    """Heun's method with embedded error; steps are accepted or halved."""

    def f(t, y):
        return -p["rate"] * y + np.sin(3 * t)

    t, y, h = 0.0, p["start"], 0.3
    while t < 1.0 - 1e-12:
        h = min(h, 1.0 - t)
        k1 = f(t, y)
        k2 = f(t + h, y + h * k1)
        error = abs(h * (k2 - k1)) / 2
        if error > 1e-2:
            h /= 2
            continue
        t, y = t + h, y + h * (k1 + k2) / 2
        if error < 1e-3:
            h *= 2
    return y


@program(np.array([0.4, -0.7, 0.3, 1.0, 0.8, 0.5]))
def kinematic_chain(joints):
    """Homogeneous transforms of a planar arm, multiplied along the chain."""
    angles, lengths = np.split(joints, 2)
    pose = np.eye(3)
    ends = []
    for angle, length in zip(angles, lengths, strict=True):
        c, s = np.cos(angle), np.sin(angle)
        pose = pose @ np.array([[c, -s, length * c], [s, c, length * s], [0, 0, 1]])
        ends.append(pose[:2, 2])
    return np.vstack(ends)


Quaternion = namedtuple("Quaternion", "w x y z")


def quaternion_product(a, b):
    return Quaternion(
        a.w * b.w - a.x * b.x - a.y * b.y - a.z * b.z,
        a.w * b.x + a.x * b.w + a.y * b.z - a.z * b.y,
        a.w * b.y - a.x * b.z + a.y * b.w + a.z * b.x,
        a.w * b.z + a.x * b.y - a.y * b.x + a.z * b.w,
    )


@program((Quaternion(0.8, 0.3, -0.4, 0.2), np.array([0.5, -1.0, 0.7])))
def quaternion_rotation(parameters):
    q, vector = parameters
    norm = np.sqrt(sum(component**2 for component in q))
    q = Quaternion(*(component / norm for component in q))
    inverse = q._replace(x=-q.x, y=-q.y, z=-q.z)
    turned = quaternion_product(quaternion_product(q, Quaternion(0.0, *vector)), inverse)
    return np.array(turned[1:])


@program({"inertia": np.array([1.0, 2.0, 3.5]), "spin": np.array([0.4, 0.1, -0.3])})
def spinning_body(p):
    """Euler's equations by the implicit midpoint rule with a fixed number of inner iterations."""
    inertia, omega = p["inertia"], p["spin"]
    for _ in range(3):
        new = omega
        for _ in range(6):
            middle = (omega + new) / 2
            new = omega - 0.1 * np.cross(middle, inertia * middle) / inertia
        omega = new
    return omega


@program(np.array([1.0, 1.0, 1.05, 10.0, 28.0, 8.0 / 3.0]), step=0.02)
def lorenz_attractor(parameters):
    state, (sigma, rho, beta) = parameters[:3], parameters[3:]

    def derivative(_, s):
        x, y, z = s
        return np.stack([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])

    for _ in range(6):
        state = runge_kutta_step(derivative, 0.0, state, 0.02)
    return state


@program({"rest": uniform(139, 0.7, 1.3, 4), "stiffness": 5.0, "heights": normal(140, 5)})
def spring_network(p):
    """Edges as index arrays; forces are gathered and scattered."""
    edges = np.array([(0, 1), (1, 2), (2, 3), (3, 4)])
    x = np.column_stack([np.arange(5.0), p["heights"]])
    v = np.zeros_like(x)
    for _ in range(4):
        span = x[edges[:, 1]] - x[edges[:, 0]]
        length = np.linalg.norm(span, axis=1)
        force = (p["stiffness"] * (length - p["rest"]) / length)[:, np.newaxis] * span
        total = np.zeros_like(x)
        np.add.at(total, edges[:, 0], force)
        np.add.at(total, edges[:, 1], -force)
        total[0] = 0.0
        v += 0.05 * total
        x += 0.05 * v
    return x


@program({"eccentricity": 0.3, "anomaly": 1.2}, "loops", step=0.02)
def kepler_equation(p):
    """Newton's method with ``while``; the last step is taken below the tolerance."""
    e, m = p["eccentricity"], p["anomaly"]
    anomaly = m
    change = 1.0
    while abs(change) > 1e-13:
        change = (anomaly - e * np.sin(anomaly) - m) / (1 - e * np.cos(anomaly))
        anomaly = anomaly - change
    return np.array([np.cos(anomaly) - e, np.sqrt(1 - e**2) * np.sin(anomaly)])


@program(np.array([0.3, 1.9, 0.0, 0.2]))
def double_pendulum(state):
    def f(_, y):
        t1, t2, w1, w2 = y
        delta = t1 - t2
        below = 3 - np.cos(2 * delta)
        a1 = (
            -3 * np.sin(t1) - np.sin(t1 - 2 * t2)
            - 2 * np.sin(delta) * (w2**2 + w1**2 * np.cos(delta))
        ) / below  # fmt: skip
        a2 = 2 * np.sin(delta) * (2 * w1**2 + 2 * np.cos(t1) + w2**2 * np.cos(delta)) / below
        return np.array([w1, w2, a1, a2])

    for _ in range(5):
        state = runge_kutta_step(f, 0.0, state, 0.1)
    return state
