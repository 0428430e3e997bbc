"""Passes: each takes a Wengert list and gives one that means the same, or a plan for it."""
