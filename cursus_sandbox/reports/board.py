"""Where a run stands, from the events heard so far, and how that looks in a terminal of so many columns and rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import IntEnum

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from cursus_sandbox.pipeline.events import (
    DataChecked,
    Event,
    Progress,
    RunEnded,
    RunStarted,
    RunStopping,
    StepEnded,
    StepLogged,
    StepSampled,
    StepStarted,
)
from cursus_sandbox.pipeline.result import StepExecutionResult, StepStatus
from cursus_sandbox.reports.text import printable, size

STYLES = {
    StepStatus.SUCCEEDED: "green",
    StepStatus.FAILED: "bold red",
    StepStatus.STOPPED: "yellow",
    StepStatus.SKIPPED: "dim",
}
OTHER_STYLE = "cyan"  # of what an earlier run left
_SIGNS = {
    StepStatus.SUCCEEDED: "✓+",
    StepStatus.FAILED: "✗x",
    StepStatus.STOPPED: "■!",
    StepStatus.SKIPPED: "·-",
}
_SPIN, _PLAIN_SPIN = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"
_TURNS = 8  # of the spinner in a second
_ROOM_FOR_MEMORY, _ROOM_FOR_CPU, _ROOM_FOR_WORDS = 44, 90, 64  # columns
_SHORTEST_NAME = 10
_SIGN, _CLOCK = 2, 7


class _Matters(IntEnum):
    """Which steps are shown where there is no room for all: the first of these."""

    RUNS = 0
    FAILED = 1
    ENDED = 2
    WAITS = 3


@dataclass(slots=True)
class _Row:
    """One step."""

    waits_for: set[str]
    ended: StepExecutionResult | None = None
    began: float | None = None  # when something was first heard of it
    changed: float = 0.0
    doing: str = ""
    attempt: int = 0
    memory: int | None = None
    cpu: float | None = None
    line: str = ""

    def hear(self, event: Progress | StepStarted | StepSampled | StepLogged | DataChecked) -> None:
        """Take in what happens while it is not over."""
        match event:
            case Progress():
                self.doing = counted(event)
            case StepStarted():
                self.attempt, self.doing, self.line = event.attempt, "", ""
            case StepSampled():
                self.memory, self.cpu, self.doing = event.memory, event.cpu, ""
            case StepLogged():
                self.line, self.doing = next((one for one in reversed(event.lines) if one.strip()), self.line), ""
            case DataChecked():
                pass

    @property
    def matters(self) -> _Matters:
        if self.ended is None:
            return _Matters.WAITS if self.began is None else _Matters.RUNS
        return _Matters.FAILED if self.ended.status in (StepStatus.FAILED, StepStatus.STOPPED) else _Matters.ENDED


class Board:
    """What is known of a run. Times are those of one clock, in seconds; it may be any."""

    def __init__(self, now: float) -> None:
        self._rows: dict[str, _Row] = {}
        self._readers: dict[str, list[str]] = {}
        self._title = ""
        self._began = now
        self._doing = "getting ready"
        self._stopping = ""

    def hear(self, event: Event, now: float) -> None:
        """Take an event in."""
        match event:
            case RunStarted():
                self._title, self._doing = f"{event.pipeline} on {event.engine}", ""
                self._rows = {name: _Row(set(before)) for name, before in event.steps.items()}
                for name, before in event.steps.items():
                    for one in before:
                        self._readers.setdefault(one, []).append(name)
            case RunStopping():
                self._stopping = event.why
            case RunEnded():
                pass
            case Progress(step=None):
                self._doing = counted(event)
            case StepEnded():
                self._row(event.result.step, now).ended = event.result
                for reader in self._readers.get(event.result.step, ()):
                    self._rows[reader].waits_for.discard(event.result.step)
            case _:
                self._row(event.step or "", now).hear(event)

    def lines(self, now: float, *, columns: int, rows: int, plain: bool = False) -> list[Text]:
        """The picture, none of its lines longer than `columns`; `plain` for a terminal that knows ASCII only."""
        spin = _PLAIN_SPIN if plain else _SPIN
        turn = spin[int(now * _TURNS) % len(spin)]
        head = Text(f"{clock(now - self._began)}  ").append(printable(self._title) or "cursus-sandbox", "bold")
        lines = [head]
        if self._doing:
            lines.append(Text(f"{turn} {printable(self._doing)}"))
        shown = self._shown(max(rows - 3, 1))
        longest = max((cell_len(printable(name)) for name in shown), default=0)
        name_width = min(longest, max(columns * 2 // 5, _SHORTEST_NAME), max(columns - _SIGN - _CLOCK - 1, 1))
        lines += [
            self._line(name, self._rows[name], now, name_width=name_width, columns=columns, turn=turn, plain=plain)
            for name in shown
        ]
        lines.append(self._tally(len(self._rows) - len(shown)))
        for line in lines:
            line.truncate(columns, overflow="crop" if plain else "ellipsis")
        return lines

    def _row(self, step: str, now: float) -> _Row:
        row = self._rows.setdefault(step, _Row(set()))
        row.began = now if row.began is None else row.began
        row.changed = now
        return row

    def _shown(self, most: int) -> list[str]:
        """The steps there is room for, in the order of the plan: those that run, that failed, that ended last."""
        if len(self._rows) <= most:
            return list(self._rows)
        order = {name: place for place, name in enumerate(self._rows)}

        def key(name: str) -> tuple[int, float, int]:
            row = self._rows[name]
            return row.matters, -row.changed if row.ended else len(row.waits_for), order[name]

        return sorted(sorted(self._rows, key=key)[:most], key=order.__getitem__)

    def _line(self, name: str, row: _Row, now: float, *, name_width: int, columns: int, turn: str, plain: bool) -> Text:
        ended = row.ended
        if ended is not None:
            sign, style = _SIGNS.get(ended.status, "↻=")[plain], STYLES.get(ended.status, OTHER_STYLE)
        else:
            sign, style = (turn, "bold") if row.began is not None else (".", "dim")
        text = Text(f"{sign} ", style).append(_fitted(printable(name), name_width, plain=plain), style)
        seconds = ended.seconds if ended is not None and ended.started_at else None
        if ended is None and row.began is not None:
            seconds = now - row.began
        text.append(f" {clock(seconds) if seconds is not None else '':>{_CLOCK}}", "not bold default")
        if columns >= _ROOM_FOR_MEMORY:
            memory = ended.peak_memory if ended is not None else row.memory
            text.append(f" {size(memory) if memory is not None else '':>8}", "not bold default")
        if columns >= _ROOM_FOR_CPU:
            cpu = f"{row.cpu:.1f} cpu" if row.cpu is not None and ended is None else ""
            text.append(f" {cpu:>8}", "not bold default")
        if columns >= _ROOM_FOR_WORDS:
            text.append(f"  {printable(_words(row))}", "not bold dim")
        return text

    def _tally(self, hidden: int) -> Text:
        ended = Counter(str(row.ended.status) for row in self._rows.values() if row.ended is not None)
        runs = sum(row.matters is _Matters.RUNS for row in self._rows.values())
        waits = len(self._rows) - runs - ended.total()
        said = [f"{runs} run"] if runs else []
        said += [f"{times} {status}" for status, times in ended.items()]
        said += [f"{waits} wait"] if waits else []
        text = Text(", ".join(said), "dim")
        if hidden:
            text.append(f"  ({hidden} not shown)")
        if self._stopping:
            text = Text(f"stopping: {printable(self._stopping)}  ", "yellow").append_text(text)
            if runs:
                text.append("  (Ctrl-C kills at once)")
        return text


def clock(seconds: float) -> str:
    """A time as 0:05, 12:34 or 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _words(row: _Row) -> str:
    """What is worth saying of a step in the rest of its line."""
    if row.ended is not None:
        if row.ended.why:
            return f"{row.ended.status}: {row.ended.why}"
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in list(row.ended.metrics.items())[:4])
        return metrics or str(row.ended.status)
    if row.began is None:
        return f"waits for {', '.join(sorted(row.waits_for))}" if row.waits_for else "ready"
    again = f"attempt {row.attempt}: " if row.attempt > 1 else ""
    return again + (row.doing or row.line or "runs")


def counted(event: Progress) -> str:
    """What is done, and how far that is."""
    if not event.done or (event.total is None and not event.in_bytes) or event.total == 1:
        return event.what
    done, total = (size(one) if event.in_bytes else f"{one or 0:,}" for one in (event.done, event.total))
    return f"{event.what}, {done}" + (f" of {total}" if event.total is not None else "")


def _fitted(name: str, width: int, *, plain: bool) -> str:
    """A name in so many columns; of one that is too long, its beginning and its end."""
    if cell_len(name) <= width:
        return set_cell_size(name, width)
    dots = ".." if plain else "…"
    left = (width - len(dots)) * 2 // 3
    end, room = "", width - len(dots) - left
    for char in reversed(name):
        if cell_len(char + end) > room:
            break
        end = char + end
    return set_cell_size(set_cell_size(name, left) + dots + end, width)
