"""Transformations: forward and reverse mode and the derivatives composed of them.

They read the slots of primitives and know no primitive by name, except addition and zeros.
"""
