"""What a process has used, as Linux says."""

from __future__ import annotations

import os
from pathlib import Path


def cpu_seconds(process: Path) -> float:
    """Time on a processor since its start."""
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(process: Path) -> float:
    """Most memory that it ever had resident."""
    lines = (process / "status").read_text().splitlines()
    kib = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return kib / 1024
