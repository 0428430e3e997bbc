"""Tracing: dispatch of operations on traced values, the user's handles, NumPy's protocols.

Knows the intermediate representation; knows no primitive and no transformation by name.
"""
