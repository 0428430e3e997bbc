"""Tests of array kernels: fusion, loop nests, reductions, writes, library calls."""
