"""The intermediate representation: abstract values, primitives, paths and Wengert lists.

Plain data and the functions that read it; knows nothing of traces, transformations or backends.
"""
