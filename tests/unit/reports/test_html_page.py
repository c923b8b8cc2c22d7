"""What the page of a run holds; how it looks and works in a browser is tests/e2e/test_report_page.py."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cursus_sandbox import PipelineExecutionResult, StepExecutionResult
from cursus_sandbox.pipeline.result import FailedAttempt, MountRow, StepStatus
from cursus_sandbox.reports.html import html_report
from cursus_sandbox.tables.mismatch import Kind, Mismatch, Severity
from cursus_sandbox.tables.preview import table_preview
from cursus_sandbox.tables.report import DataCompatibilityReport

STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOSTILE = "<script>alert('x')</script>"


class Page(HTMLParser):
    """The tags of a page, and whether each that was opened was closed."""

    VOID = frozenset({"meta", "link", "input", "br"})

    def __init__(self, text):
        super().__init__()
        self.open, self.tags = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def step(name, after=0.0, **said):
    started = STARTED + timedelta(seconds=after)
    usual = {"status": StepStatus.SUCCEEDED, "started_at": started, "attempts": 1, "seconds": 1.0}
    return StepExecutionResult(**(usual | {"step": name} | said))


def run(*steps, **said):
    usual = {"pipeline": "flights", "run": "7f3a", "folder": Path("/runs/7f3a"), "engine": "local"}
    return PipelineExecutionResult(**(usual | {"started_at": STARTED, "seconds": 9.5} | said), steps=steps)


def plan(*names, after=None, **more):
    after = after or {}
    return {"name": "flights", "steps": [{"name": name, "depends_on": after.get(name, []), **more} for name in names]}


@pytest.fixture
def channel(tmp_path):
    """A folder with a table of text that a page must not take for its own."""
    pq.write_table(pa.table({HOSTILE: [HOSTILE, "b", "b"], "n": [1, 2, 40]}), tmp_path / "part-0.parquet")
    return tmp_path


def test_nothing_that_a_pipeline_says_is_taken_for_html(channel, tmp_path):
    """Names, reasons, logs and data are text on the page, and every tag that is opened is closed."""
    log = tmp_path.parent / "log.txt"
    log.write_bytes(HOSTILE.encode() + b"\x1b[31m red \x1b[0m \xff\n")
    failed = step(
        HOSTILE,
        status=StepStatus.FAILED,
        why=HOSTILE,
        message=HOSTILE,
        log=log,
        log_end=(HOSTILE,),
        outputs={"rows": channel},
    )
    planned = plan(
        HOSTILE,
        outputs=[{"channel": "rows", "path": "/opt/ml/" + HOSTILE}],
        environment={"A": {"value": HOSTILE, "origin": "pipeline"}},
        arguments=[HOSTILE],
    )
    text = html_report(run(failed, pipeline=HOSTILE, notes=(HOSTILE,)), planned)
    page = Page(text)
    assert page.open == []
    assert text.count("<script>") == 1  # the page's own
    assert "alert('x')" not in text
    assert "\x1b" not in text


def test_the_page_needs_nothing_else():
    """No address of another file or machine is in it."""
    page = Page(html_report(run(step("a")), plan("a")))
    addresses = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert all(address.startswith(("#", "data:")) for address in addresses)


def test_the_steps_that_the_end_waited_for_are_critical():
    """The critical path is the chain of those steps that each ended last before the next."""
    steps = (step("a"), step("fast", 1), step("slow", 1, seconds=5.0), step("end", 6), step("aside", 1))
    after = {"fast": ["a"], "slow": ["a"], "end": ["fast", "slow"], "aside": ["a"]}
    text = html_report(run(*steps), plan("a", "fast", "slow", "end", "aside", after=after))
    bars = re.findall(
        r'<a href="#step-(\w+)">\w+</a><div class="track"[^>]*><div class="bar succeeded( critical)?"', text
    )
    assert {name for name, critical in bars if critical} == {"a", "slow", "end"}


def test_without_values_no_data_are_in_it(channel):
    """A page for others than those who may see the data holds rows' numbers, not rows."""
    planned = plan("load", outputs=[{"channel": "rows", "path": "/opt/ml/processing/output/rows"}])
    ran = run(step("load", outputs={"rows": channel}))
    assert "preview" in html_report(ran, planned).split("<body>")[1]
    assert "preview" not in html_report(ran, planned, values=False).split("<body>")[1]


def test_all_of_a_step_is_on_its_page(channel):
    """Findings stand at their channel; mounts, secrets without their value, lines of memory and metrics are there."""
    (channel / "metrics.json").write_text('{"loss": [3, 2, 1]}')
    wrong = Mismatch(kind=Kind.TYPE, severity=Severity.ERROR, message="column 'n' is text")
    report = DataCompatibilityReport(data="load:rows", rows=3, findings=(wrong,))
    mounts = (MountRow(path="/opt/ml/model", source=Path("/w/model"), mode="private"),)
    again = (FailedAttempt(why="out of memory", exit_code=137, seconds=2.0, peak_memory=1 << 20, memory_limit=None),)
    bad = step(
        "load",
        outputs={"rows": channel},
        reports=(report,),
        mounts=mounts,
        earlier_attempts=again,
        because="code changed",
    )
    planned = plan(
        "load",
        outputs=[{"channel": "rows", "path": "/opt/ml/processing/output/rows"}],
        secrets={"TOKEN": {"variable": "MY_TOKEN", "path": None, "handed": "environment"}},
    )
    usage = {"load": [(0.0, 1 << 20, 0.5), (1.0, 3 << 20, 1.5)]}
    text = html_report(run(bad), planned, usage=usage)
    assert Page(text).open == []
    for said in (
        "It ran because code changed.",
        "attempt 1: out of memory, 2.0 s, peak memory 1 MB",
        'aria-label="memory, from 0.0 s to 1.0 s: between 0 B and 3 MB"',
        'aria-label="processors, from 0.0 s to 1.0 s: between 0.00 and 1.50"',
        'aria-label="loss, from 1 to 3: between 1 and 3"',
        "<td>a copy of its own</td>",
        '<code>TOKEN</code></td><td>•••</td><td class="dim">MY_TOKEN</td>',
    ):
        assert said in text
    row, finding = text.index("<code>/opt/ml/processing/output/rows"), text.index("column &#39;n&#39; is text")
    assert row < finding < text.index("a look into")


def test_a_run_without_an_end_says_so():
    """A page of a run that still goes on, or was killed, has that for an outcome."""
    text = html_report(run(step("a")), plan("a"), outcome="still runs")
    assert "<title>flights: still runs</title>" in text
    assert '<span class="chip still-runs">still runs</span>' in text


def test_a_log_of_100_mb_stays_small(tmp_path):
    """Of a long log the beginning and the end are on the page, with how much is left out between."""
    log = tmp_path / "log.txt"
    with log.open("wb") as opened:
        opened.write(b"the first line\n")
        opened.truncate(100 << 20)
        opened.seek(0, 2)
        opened.write(b"\nthe last line")
    text = html_report(run(step("a", log=log)), plan("a"))
    assert "the first line" in text
    assert "the last line" in text
    assert "100 MB left out" in text
    assert len(text) < 2_000_000


def test_five_hundred_steps_are_below_5_mb(tmp_path):
    """A page of five hundred steps in layers is still one that a browser opens at once."""
    names = [f"TabularPreprocessing_training_{number}" for number in range(500)]
    after = {name: names[max(0, place - 10) : place : 3] for place, name in enumerate(names)}
    log = tmp_path / "log.txt"
    log.write_bytes(b"\x1b" * 100_000)  # each is four letters on the page
    usage = {name: [(second, second * 1000, 1.0) for second in range(500)] for name in names}
    text = html_report(run(*(step(name, log=log) for name in names)), plan(*names, after=after), usage=usage)
    assert len(text) < 5_000_000
    assert text.count('<g class="box') == 500


def test_a_run_without_steps_is_a_page():
    """Where nothing is known of a plan or a step there is a page all the same."""
    assert Page(html_report(run(), {})).open == []
    assert Page(html_report(run(step("a", started_at=None, log=Path("/gone"))), {})).open == []


def test_how_values_lie(channel):
    """Numbers are counted in equal bins from least to most, text by how often it is there, gaps apart."""
    (channel / "part-0.parquet").unlink()
    table = pa.table({"n": [0.0, 1.0, 12.0, None, float("nan")], "t": ["b", "a", "b", None, "c"], "k": [7] * 5})
    pq.write_table(table, channel / "_hidden.parquet")
    pq.write_table(table, channel / "part.parquet")
    preview = table_preview(channel)
    assert (preview.file, preview.rows) == ("part.parquet", 5)
    number, text, same = preview.columns
    assert (number.nulls, [count for _, count in number.bars]) == (1, [1, 1, *[0] * 9, 1])
    assert (text.nulls, text.bars) == (1, (("b", 2), ("a", 1), ("c", 1)))
    assert same.bars == (("7", 5),)
    assert preview.head[0] == ("0", "b", "7")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"a,b\n1\n2,3,4\n", b"\xff\xfe\x00"])
def test_what_cannot_be_read_has_no_preview(tmp_path, content):
    """A preview is a courtesy: what is no table is passed over."""
    for name in ("x.parquet", "x.csv", "x.bin"):
        (tmp_path / name).write_bytes(content)
    preview = table_preview(tmp_path)
    assert preview is None or preview.file == "x.csv"
