# SPDX-License-Identifier: MIT
"""What the tests of the codegen report share: where its fixtures lie, and the command as a user types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from limits import PROGRAM

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "bench" / "codegen"


def report(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """``python -m vring.report``, in that folder."""
    command = [sys.executable, "-m", "vring.report", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=PROGRAM, check=False)
