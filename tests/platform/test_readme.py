import re
import subprocess
import sys

from tests.support.processes import ROOT, clean_environment


def test_the_script_in_the_readme_runs_in_ten_lines() -> None:
    script = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert script is not None
    lines = [line for line in script[1].splitlines() if line]

    ran = subprocess.run(
        [sys.executable, "-c", script[1]],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    assert len(lines) <= 10
    assert ran.stdout == "completed {'text': 'Hello Ada'}\n"
