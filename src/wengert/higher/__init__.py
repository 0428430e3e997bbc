"""Primitives that hold a program or a user's function: control flow, custom rules, jit."""
