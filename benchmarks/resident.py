"""The resident memory of this process, in bytes, as Linux counts it: now, and at its peak.

The peak (VmHWM) can be reset, which `resource.getrusage` cannot: what an import once needed does
not hide what a step needs.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

STATUS = Path("/proc/self/status")


def field(name: str) -> int:
    """Return a field of the status, in bytes."""
    (line,) = (x for x in STATUS.read_text().splitlines() if x.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def now() -> int:
    """Return the resident bytes."""
    return field("VmRSS")


def peak() -> int:
    """Return the most resident bytes since the last reset."""
    return field("VmHWM")


def reset_peak() -> None:
    """Let the peak begin at what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")


def give_back() -> None:
    """Return what the allocator holds, but nobody uses, to the system."""
    ctypes.CDLL(None).malloc_trim(0)
