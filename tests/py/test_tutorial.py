# SPDX-License-Identifier: MIT
"""Every block of docs/tutorial.md, in its order: the file fails as it says, leaves its page, and passes once mended."""

import os
import re
import subprocess
import sys
from pathlib import Path

from limits import PROGRAM

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"


def run(folder: Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"]
    environment = {**os.environ, "VRING_PICTURES": str(folder / "pictures")}
    done = subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True, timeout=PROGRAM)
    return done.returncode, done.stdout


def test_the_tutorial_is_as_it_says(tmp_path: Path) -> None:
    text = TUTORIAL.read_text()
    wrong, mended = re.findall(r"^```py\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    mine = tmp_path / "test_mine.py"
    mine.write_text(wrong)
    code, said = run(tmp_path)
    assert code == 1 and "the driver owes the device a notification" in said, said
    steps = [step for step in re.findall(r"state\.(\w+)\(", said) if step not in ("counts_add_up", "teardown")]
    assert steps[0] == "start" and len([step for step in steps if step != "nothing_staged_is_visible"]) <= 4, said
    for shown in ("index=65535", "state.round_trips(count=1, quarters=0, sleepy=False)"):
        assert shown in text and shown in said, f"the page shows {shown}, the shortest way there, which ends:\n{said}"
    page = tmp_path / "pictures" / "test_mine.MyMachine.html"
    assert f"Step through this run: {page}" in said.replace("\n", ""), said
    assert "<svg" in page.read_text("utf-8")

    body = re.search(r"^class MyDriver.*?(?=^class MyMachine)", wrong, re.MULTILINE | re.DOTALL)
    assert body
    mine.write_text(wrong.replace(body[0], mended + "\n\n"))
    code, said = run(tmp_path)
    assert code == 0, said
