"""Which tests are fast, and where doctests write: settings of every test of the repository."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

SEVERAL_SECONDS = {
    "test_benchmarks.py",
    "test_checking_contract.py",
    "test_checking_search.py",
    "test_command_process.py",
    "test_display.py",
    "test_examples.py",
    "test_files.py",
    "test_gallery.py",
    "test_typing.py",
    "test_viz_fit.py",
    "test_viz_page.py",
    "test_interrupts.py",
    "test_compile_threads.py",
    "test_compile_random.py",
}
"""Files that start programs or search, of which none belongs to the fast tests."""
BUDGET = 30.0
"""Seconds that the fast tests may take on two cores."""
started = time.monotonic()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the first case of every test function as fast, and every doctest of a module.

    So a new test is among them without a word, and a further case costs them nothing. What takes
    longer than a second is marked `long` where it is written, or stands in a file of the above.
    """
    seen: set[tuple[Path, str]] = set()
    for item in items:
        name = (item.path, getattr(item, "originalname", None) or item.name)
        unsuitable = any(map(item.get_closest_marker, ("long", "slow")))
        if item.path.name in SEVERAL_SECONDS or name in seen or unsuitable:
            continue
        seen.add(name)
        item.add_marker("fast")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the longest tests where the fast ones take longer than they may."""
    if terminalreporter.config.option.markexpr != "fast" or time.monotonic() - started < BUDGET:
        return
    reports = [r for rs in terminalreporter.stats.values() for r in rs if hasattr(r, "duration")]
    terminalreporter.section(f"the fast tests took longer than {BUDGET:.0f} s")
    for report in sorted(reports, key=lambda report: -report.duration)[:10]:
        terminalreporter.line(f"{report.duration:6.2f} s  {report.nodeid}")
    terminalreporter.line("mark the longest with @pytest.mark.long, unless the machine was busy")


@pytest.fixture(autouse=True)
def _doctests_in_a_temporary_folder(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.chdir(tmp_path)
