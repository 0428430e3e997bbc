"""Backends: what turns a Wengert list into something faster than the straight evaluator."""
