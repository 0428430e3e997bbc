"""Tests of ``vmap``: for every primitive and for programs, it is the loop over the examples."""
