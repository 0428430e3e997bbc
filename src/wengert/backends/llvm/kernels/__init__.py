"""Array programs as kernels: loop nests with index arithmetic, reductions, and library calls."""
