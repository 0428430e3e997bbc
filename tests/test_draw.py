"""Computational graphs: nodes, edges, layout, and the files that they are written to."""

import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import wengert as wg
from wengert.errors import ArgumentError

SVG = "{http://www.w3.org/2000/svg}"


def neuron(x, y):
    return (x + 1 / (1 + np.exp(-y))) * np.tanh(x)


def logistic(x, n=4):
    v = x
    for _ in range(n):
        v = 4 * v * (1 - v)
    return v


def spectrum(matrix):
    values, vectors = np.linalg.eigh(matrix @ matrix.T)
    return values[0] + vectors[0, 0]


MATRIX = np.array([[1.0, 2.0], [3.0, 5.0]])


def test_nodes_are_the_evaluation_and_edges_the_local_derivatives():
    graph = wg.draw(neuron, 2.0, 1.0)
    assert [node.kind for node in graph.nodes] == ["input"] * 2 + ["step"] * 6 + ["output"]
    np.testing.assert_allclose(graph.nodes[-1].value, neuron(2.0, 1.0))
    gradient = wg.grad(neuron, (0, 1))(2.0, 1.0)
    np.testing.assert_allclose([node.adjoint for node in graph.nodes[:2]], gradient)
    for edge in graph.edges:
        np.testing.assert_allclose(
            edge.amount, edge.local_value * graph.nodes[edge.target].adjoint, rtol=1e-14
        )


def test_the_adjoint_of_a_node_is_the_sum_over_its_edges():
    graph = wg.draw(logistic, 0.3, 7)
    for i, node in enumerate(graph.nodes[:-1]):
        amounts = [edge.amount for edge in graph.edges if edge.source == i]
        np.testing.assert_allclose(node.adjoint, sum(amounts), rtol=1e-14)


def test_arrays_factorisations_and_results_that_are_not_scalar():
    graph = wg.draw(spectrum, MATRIX)
    np.testing.assert_allclose(graph.nodes[0].adjoint, wg.grad(spectrum)(MATRIX), rtol=1e-12)
    forward_only = wg.draw(lambda x: np.cumsum(x) * 2, np.arange(3.0))
    assert all(node.adjoint is None for node in forward_only.nodes)
    assert wg.draw(lambda x, y: x * 2, 1.0, 2.0).nodes[1].adjoint is None


@pytest.mark.parametrize("count", [3, 33, 1666])
def test_no_nodes_overlap_and_edges_run_down(count):
    graph = wg.draw(logistic, 0.25, count)
    centres = graph.layout.centres
    assert len(centres) == len(graph.nodes) == 3 * count + 1
    rows = {}
    for x, y in centres:
        rows.setdefault(round(y, 3), []).append(x)
    for row in rows.values():
        assert np.all(np.diff(np.sort(row)) >= 168)
    assert np.all(np.diff(sorted(rows)) >= 58)
    for edge, route in zip(graph.edges, graph.layout.routes, strict=True):
        assert np.all(np.diff([y for _, y in route]) > 0), edge


def test_unconnected_parts_and_lone_inputs_stand_beside_each_other():
    graph = wg.draw(lambda a, b, c: a * 2 + wg.stop_gradient(np.exp(b)), 1.0, 2.0, 3.0)
    assert len({(round(x), round(y)) for x, y in graph.layout.centres}) == len(graph.nodes)
    alone = wg.draw(lambda x: 3.0, 1.0)
    assert alone.to_svg().count('class="node') == 1


def test_svg_is_well_formed_and_complete():
    graph = wg.draw(spectrum, MATRIX)
    root = ET.fromstring(graph.to_svg())
    groups = [element.get("class") for element in root.iter(f"{SVG}g")]
    assert sum(name.startswith("node") for name in groups) == len(graph.nodes)
    assert groups.count("edge") == len(graph.edges)
    titles = " ".join(element.text for element in root.iter(f"{SVG}title"))
    assert "matrix @ " in titles
    assert graph._repr_svg_() == graph.to_svg()


def test_dot_names_every_node_and_edge_and_escapes_quotes():
    def quoted(params):
        return params['a"b'] * 2.0

    text = wg.draw(quoted, {'a"b': 3.0}).to_dot()
    assert text.startswith("digraph wengert {")
    assert r"params['a\"b']" in text
    assert re.search(r'n0 -> n1 \[label="2"\];', text)


@pytest.mark.parametrize("ending", ["dot", "gv", "svg", "png", "html"])
def test_files(tmp_path, ending):
    path = tmp_path / f"graph.{ending}"
    wg.draw(neuron, 2.0, 1.0).save(path)
    start = {"png": b"\x89PNG", "svg": b"<svg", "html": b"<!doctype"}.get(ending, b"digraph")
    assert path.read_bytes().startswith(start)


def test_the_page_holds_its_data_and_asks_no_network(tmp_path):
    def tricky(x):
        return x * 2  # </script><script>alert(1)</script>

    page = wg.draw(tricky, 1.5).to_html()
    assert not re.search(r"https?://(?!www\.w3\.org)", page)
    data = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    found = json.loads(data[1])
    assert [node["name"] for node in found["nodes"]] == ["x", "tricky"]
    assert "alert(1)</script>" in found["nodes"][1]["source"]


def test_large_graphs_stay_usable():
    graph = wg.draw(logistic, 0.25, 1666)
    assert len(graph.nodes) == 4999
    assert len(graph.to_svg()) < 6_000_000
    with pytest.raises(ArgumentError, match="smaller dpi"):
        graph.to_png()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wg.draw(neuron, 2.0, 1.0).save("graph.pdf"), r"\.dot, \.gv, \.svg"),
        (lambda: wg.draw(neuron, 2.0, 1.0).save("graph"), "no ending"),
        (lambda: wg.draw(lambda x: [x, x], 2.0), "2 leaves"),
        (lambda: wg.draw(3.0), "takes a function"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()
