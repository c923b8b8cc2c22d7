"""The page of a run in a real browser: it renders, filters, opens a failed step, searches its log, says no error."""

import shutil
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import pytest
from lacking import lacking

pytestmark = pytest.mark.browser
SCRIPT = """\
import pathlib
out = pathlib.Path('/opt/ml/processing/output')
(out / 'a.csv').write_text('n,t\\n' + ''.join(f'{i},{"ab"[i % 2]}\\n' for i in range(100)))
print('needle in the log')
"""


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium, by its own driver."""
    driver = shutil.which("chromedriver")
    if driver is None:
        lacking("browser", "needs Chromium and its driver: apt-get install chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for word in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1200,900",
    ):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as started:
        yield started


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a run of three steps: one goes well, one fails, one is skipped."""
    folder = tmp_path_factory.mktemp("pipeline")
    (folder / "dag.yaml").write_text(
        "source_dir: .\ncontracts: .\nsteps:\n  Load: {}\n"
        "  Break: {inputs: {rows: Load:rows}}\n  After: {inputs: {rows: Break:rows}}\n"
    )
    for name in ("Load", "Break", "After"):
        inputs = "" if name == "Load" else "inputs: {rows: {path: /opt/ml/processing/input/rows, required: true}}, "
        (folder / f"{name}.step.yaml").write_text(
            f"step_type: {name}\ncontract: {{entry_point: {name}.py, {inputs}"
            "outputs: {rows: {path: /opt/ml/processing/output}}}\n"
        )
        (folder / f"{name}.py").write_text(
            SCRIPT + ("import time; time.sleep(0.6)\nraise SystemExit('<b>broken</b>')\n" if name == "Break" else "")
        )
    command = [sys.executable, "-m", "cursus_sandbox"]
    subprocess.run([*command, "run", "dag.yaml", "--engine", "local"], cwd=folder, check=False, capture_output=True)
    subprocess.run([*command, "report"], cwd=folder, check=True, capture_output=True)
    return Path(folder / "report.html").as_uri()


@pytest.fixture
def opened(browser, page):
    """The page, as it is when opened; at the end the console has no error."""
    browser.get("about:blank")
    browser.get(page)
    yield browser
    said = [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert said == []


def find(browser, selector):
    return browser.find_elements("css selector", selector)


def test_it_renders(opened):
    """The title, the graph with a box for each step in its state, the time line, and the failed step open."""
    assert opened.title == "dag: failed"
    states = {box.text.split("\n")[0]: box.get_attribute("class") for box in find(opened, "g.box")}
    assert states == {"Load": "box succeeded", "Break": "box failed", "After": "box skipped"}
    assert len(find(opened, ".bar")) == 2
    assert [one.get_attribute("data-step") for one in find(opened, "details.step[open]")] == ["Break"]
    assert "<b>broken</b>" in find(opened, ".finding")[0].text


def test_it_filters(opened):
    """By name and by state; how many are left is said."""
    find(opened, "#find")[0].send_keys("a")
    shown = [one.get_attribute("data-step") for one in find(opened, "details.step") if one.is_displayed()]
    assert shown == ["Load", "Break", "After"]
    find(opened, "#find")[0].send_keys("f")
    assert [one.get_attribute("data-step") for one in find(opened, "details.step") if one.is_displayed()] == ["After"]
    assert find(opened, "#count")[0].text == "1 of 3"


def test_a_box_leads_to_its_step(opened):
    """A step of the graph opens below, by mouse or keyboard, and has the focus."""
    opened.execute_script("arguments[0].focus()", find(opened, "svg a[href='#step-Load']")[0])
    opened.switch_to.active_element.send_keys("\ue007")
    load = find(opened, "#step-Load")[0]
    assert load.get_attribute("open")
    assert opened.switch_to.active_element.tag_name == "summary"
    assert find(opened, "#step-Load .preview")


def test_a_log_is_searched(opened):
    """What is found is marked and counted; an empty search leaves the log as it is."""
    search = find(opened, "#step-Break .search")[0]
    search.send_keys("NEEDLE")
    assert [mark.text for mark in find(opened, "#step-Break mark")] == ["needle"]
    assert find(opened, "#step-Break .hits")[0].text == "1 found"
    search.send_keys("\ue003" * 6)
    assert find(opened, "mark") == []


def test_what_a_step_used_is_drawn(opened):
    """Memory and processors over time, each with what it shows in words for who can't see it."""
    charts = find(opened, "#step-Break .chart svg")
    assert [one.get_attribute("aria-label").split(",")[0] for one in charts] == ["memory", "processors"]
    assert all(one.size["width"] > 100 for one in charts)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(opened, scheme):
    """axe-core finds nothing against WCAG 2.1 AA or its best practices: all steps opened, in light and in dark."""
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    find(opened, "#open")[0].click()
    opened.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
    opened.execute_script((files("axe_core_python") / "axe.min.js").read_text())
    found = opened.execute_async_script("axe.run().then(arguments[0])")
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert len(found["passes"]) > 15
    assert [
        (one["id"], node["html"], node["failureSummary"]) for one in found["violations"] for node in one["nodes"]
    ] == []


def test_a_run_that_goes_on_and_one_that_was_killed(browser, tmp_path):
    """Both have a page: what ended, what was under way, and what was not reached."""
    (tmp_path / "dag.yaml").write_text("source_dir: .\ncontracts: .\nsteps: {Quick: {}, Long: {depends_on: [Quick]}}\n")
    for name, script in (
        ("Quick", "print('done')"),
        ("Long", "import time; print('half', flush=True); time.sleep(300)"),
    ):
        contract = "outputs: {o: {path: /opt/ml/processing/output, required: false}}"
        (tmp_path / f"{name}.step.yaml").write_text(
            f"step_type: {name}\ncontract: {{entry_point: {name}.py, {contract}}}\n"
        )
        (tmp_path / f"{name}.py").write_text(script)
    command = [sys.executable, "-m", "cursus_sandbox"]
    with subprocess.Popen([*command, "run", "dag.yaml", "--engine", "local", "-q"], cwd=tmp_path) as run:
        give_up = time.monotonic() + 60
        while not any(log.stat().st_size for log in tmp_path.glob(".cursus-sandbox/runs/*/steps/Long/log.txt")):
            assert time.monotonic() < give_up
            time.sleep(0.05)
        for killed, outcome in ((False, "still runs"), (True, "ended early")):
            if killed:
                run.kill()
                run.wait()
            subprocess.run([*command, "report"], cwd=tmp_path, check=True, capture_output=True)
            browser.get((tmp_path / "report.html").as_uri())
            assert find(browser, "header .chip")[0].text == outcome
            states = {one.get_attribute("data-step"): one.get_attribute("data-state") for one in find(browser, ".step")}
            assert states == {"Quick": "succeeded", "Long": "stopped" if killed else "runs"}
            assert "half" in find(browser, "#step-Long .log")[0].get_attribute("textContent")


def test_nothing_is_wider_than_a_phone(opened):
    """On 400 pixels the page itself doesn't scroll sideways; what is wide scrolls in its own frame."""
    opened.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    )
    try:
        opened.execute_script("document.getElementById('open').click()")
        assert opened.execute_script("return document.documentElement.scrollWidth") <= 400
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(opened, scheme):
    """In light and in dark every text has the contrast that WCAG AA asks for, 4.5 to 1."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        opened.execute_script("document.getElementById('open').click()")
        faint = opened.execute_script(CONTRAST)
    finally:
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert faint == []


def test_it_prints(opened):
    """On paper it is dark on white, whatever the screen is, with every step open and nothing cut off."""
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": features})
    try:
        opened.execute_script("dispatchEvent(new Event('beforeprint'))")
        assert opened.execute_script("return getComputedStyle(document.body).color") == "rgb(28, 35, 48)"
        assert len(find(opened, "details.step[open]")) == 3
        assert not find(opened, "#find")[0].is_displayed()
        logs = opened.execute_script(
            "return [...document.querySelectorAll('pre')].map(p => p.scrollHeight > p.clientHeight + 2)"
        )
        assert not any(logs)
    finally:
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


CONTRAST = """
const light = colour => {
  const [r, g, b] = colour.match(/[0-9.]+/g).slice(0, 3)
    .map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = node => {
  for (let one = node; one; one = one.parentElement) {
    const colour = getComputedStyle(one).backgroundColor;
    if (!colour.startsWith('rgba(0, 0, 0, 0')) return colour;
  }
};
const ratio = node => {
  const [less, more] = [light(getComputedStyle(node).color), light(behind(node))].sort((a, b) => a - b);
  return (more + .05) / (less + .05);
};
return [...document.querySelectorAll('body *:not(svg *):not(script)')]
  .filter(node => [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim()))
  .map(node => [node.tagName + '.' + node.className, ratio(node)]).filter(([, much]) => much < 4.5);
"""
