"""docs/service.md, as it is written."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .api import new_token, serving_root

_PAGE = Path(__file__).parents[2] / "docs" / "service.md"


@pytest.mark.timeout(120)
def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    root, work = tmp_path / "root", tmp_path / "work"
    (root / "photos").mkdir(parents=True)
    work.mkdir()
    (root / "photos" / "a.jpg").write_bytes(bytes(10_000))
    (root / "about.txt").write_text("about")
    token = new_token(tmp_path / "service.sqlite", "shop")
    with serving_root(root, tmp_path) as running:
        programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = os.environ | {"URL": running.url, "TOKEN": token, "PATH": programs}
        blocks = re.findall(r"```sh\n(.*?)```", _PAGE.read_text("utf-8"), re.DOTALL)
        outputs = []
        for block in blocks:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block],
                capture_output=True,
                text=True,
                timeout=60,
                cwd=work,
                env=environment,
                check=False,
            )
            assert done.returncode == 0, done.stderr + done.stdout
            outputs.append(done.stdout)
    created, verified, lines, built, events, verified_job = outputs
    assert json.loads(created)["entries"] == 3
    assert "sound" in verified
    assert json.loads(lines)["entries"] == 2
    assert json.loads(built)["state"] == "done"
    assert events.count("event: done") == 1
    assert "sound" in verified_job
