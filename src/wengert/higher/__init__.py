"""Primitives that hold a program or the user's function: control flow, custom rules, solvers."""
