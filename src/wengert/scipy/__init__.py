"""SciPy's functions, differentiable: the names of `scipy` where SciPy itself does not dispatch."""
