"""The page of a graph in a browser: stepping, folding, keyboard, and no request to a network."""

import shutil

import numpy as np
import pytest

import wengert as wg

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra `browser`")
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="needs Chromium on the path"),
    pytest.mark.filterwarnings("default::ResourceWarning"),
    pytest.mark.filterwarnings("default::pytest.PytestUnraisableExceptionWarning"),
]
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]


def neuron(x, y):
    v1 = 1 / (1 + np.exp(-y))
    return (x + v1) * np.tanh(x)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=BROWSER, args=OPTIONS)
        yield running
        running.close()


@pytest.fixture(params=[(1280, 800), (390, 780)], ids=["wide", "narrow"])
def page(browser, tmp_path, request):
    width, height = request.param
    path = tmp_path / "graph.html"
    wg.draw(neuron, 2.0, 1.0).save(path)
    opened = browser.new_page(viewport={"width": width, "height": height})
    opened.problems = []
    opened.on("pageerror", lambda error: opened.problems.append(str(error)))
    opened.on("console", lambda message: opened.problems.append(message.text))
    opened.requests = []
    opened.on("request", lambda made: opened.requests.append(made.url))
    opened.goto(path.as_uri())
    yield opened
    assert not opened.problems
    outside = [url for url in opened.requests if not url.startswith(("file:", "data:"))]
    assert not outside
    opened.close()


def text_of(page, selector):
    return page.locator(selector).inner_text()


def test_stepping_by_keyboard_shows_values_then_adjoints(page):
    count = 9
    page.keyboard.press("Home")
    assert text_of(page, "#status") == f"forward 0 of {count}"
    assert page.locator(".node.waiting").count() == count
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert text_of(page, "#status") == f"forward 3 of {count}"
    assert page.locator(".node.waiting").count() == count - 3
    assert text_of(page, "#panel h2") == "t1"
    page.keyboard.press("End")
    assert text_of(page, "#status") == f"backward {count} of {count}"
    panel = text_of(page, "#panel")
    assert f"{wg.grad(neuron)(2.0, 1.0):.10g}" in panel
    assert "is the sum of" in panel
    page.keyboard.press("ArrowLeft")
    assert f"{wg.grad(neuron, 1)(2.0, 1.0):.10g}" in text_of(page, "#panel")


def test_buttons_slider_and_ends(page):
    page.click("#first")
    assert page.locator("#previous").is_disabled()
    page.click("#next")
    assert page.locator(".node.current").count() == 1
    page.locator("#slider").fill("12")
    assert text_of(page, "#status") == "backward 3 of 9"
    page.click("#last")
    assert page.locator("#next").is_disabled()


def test_playing_runs_to_the_end(page):
    page.locator("#slider").fill("16")
    page.click("#play")
    page.wait_for_function("document.getElementById('status').textContent === 'backward 9 of 9'")
    assert text_of(page, "#play") == "Play"


def test_a_line_folds_into_one_box_and_unfolds_by_keyboard(page):
    page.locator("#n8").dispatch_event("click")
    button = page.locator("#fold")
    assert "Fold the 3 steps" in button.inner_text()
    button.click()
    assert page.locator(".folded-box").count() == 1
    assert page.locator(".node.hidden").count() == 3
    page.keyboard.press("Enter")
    assert page.locator(".folded-box").count() == 0
    assert page.locator(".hidden").count() == 0


def test_zooming_and_fitting(page):
    page.keyboard.press("0")
    before = page.locator("#view").get_attribute("transform")
    page.click("#in")
    assert page.locator("#view").get_attribute("transform") != before
    page.keyboard.press("0")
    assert page.locator("#view").get_attribute("transform") == before


def test_everything_is_reachable_and_named(page):
    seen = []
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id"))
    assert {"previous", "play", "slider", "in", "fit", "panel"} <= set(seen)
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button')].filter("
        "b => !(b.getAttribute('aria-label') || b.textContent.trim())).length"
    )
    assert unnamed == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_large_graphs_step_at_a_scale_at_which_one_can_read(browser, tmp_path):
    def logistic(x):
        v = x
        for _ in range(600):
            v = 4 * v * (1 - v)
        return v

    path = tmp_path / "large.html"
    graph = wg.draw(logistic, 0.25)
    graph.save(path)
    opened = browser.new_page(viewport={"width": 1000, "height": 700})
    opened.goto(path.as_uri())
    assert 2 <= opened.locator(".node").count() < 100  # of 1801: only what can be seen
    for key in ("Home", "ArrowRight", "ArrowRight", "End", "ArrowLeft"):
        opened.keyboard.press(key)
        current = opened.locator(".node.current")
        if key != "Home":
            assert current.count() == 1
            box = current.bounding_box()
            assert box["width"] > 60
            assert 0 <= box["x"] < 1000
            assert 0 <= box["y"] < 700
    opened.locator("#fit").click()
    assert opened.locator(".node").count() == len(graph.nodes)
    opened.keyboard.press("ArrowLeft")
    assert opened.locator(".node").count() < 100
    opened.close()


def test_tables_show_their_captions_in_narrow_windows(browser, tmp_path):
    path = tmp_path / "table.html"
    page = f"<!doctype html><meta charset=utf-8><body>{wg.explain(neuron, 2.0, 1.0).to_html()}"
    path.write_text(page, encoding="utf-8")
    opened = browser.new_page(viewport={"width": 390, "height": 780})
    opened.goto(path.as_uri())
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for caption in opened.locator(".wengert-trace > p").all():
        assert caption.bounding_box()["x"] + caption.bounding_box()["width"] <= 390
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.getAttribute('role')") == "region"
    opened.close()
