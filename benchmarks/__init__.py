"""Time wengert beside its peers, all in one run and on the same inputs.

`python -m benchmarks` from the repository root runs everything and writes one table, as Markdown
and as JSON. Nothing here is part of the library; `README.md` says what each row means.
"""
