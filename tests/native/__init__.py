"""Tests of the LLVM backend: native code against NumPy and the straight evaluator."""
