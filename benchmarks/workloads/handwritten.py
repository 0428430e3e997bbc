"""Derivatives written by hand in C, one function a workload: what a compiler's user would write.

``derivative(x, n, result)`` fills `result`, of the size of `x`; a workload's static numbers are
macros in capitals.
"""

LOGISTIC_MAP = """
void derivative(const double *x, long n, double *result) {
    double v = x[0], slope = 1.0;
    for (int i = 0; i < STEPS; i++) {
        slope = 4 * (1 - 2 * v) * slope;
        v = 4 * v * (1 - v);
    }
    result[0] = slope;
}
"""

ROSENBROCK = """
void derivative(const double *x, long n, double *result) {
    double carried = 0.0;
    for (long i = 0; i + 1 < n; i++) {
        double difference = x[i + 1] - x[i] * x[i];
        result[i] = carried - 400 * x[i] * difference - 2 * (1 - x[i]);
        carried = 200 * difference;
    }
    result[n - 1] = carried;
}
"""

LOGARITHM_SUM = """
#include <math.h>
void derivative(const double *x, long n, double *result) {
    for (long i = 0; i < n; i++) {
        double square = x[i] * x[i];
        result[i] = 2 / (1 + square) - log(1 + square) / square;
    }
}
"""

TRANSCENDENTAL_SUM = """
#include <math.h>
void derivative(const double *x, long n, double *result) {
    for (long i = 0; i < n; i++) {
        double t = tanh(x[i]), root = sqrt(x[i]);
        result[i] = exp(-x[i]) * (cos(x[i]) - sin(x[i])) + (1 - t * t) * root + t / (2 * root);
    }
}
"""
