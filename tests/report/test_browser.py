"""In a browser, nothing is wider than the page, whatever its width."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from svcsim.report import write_report
from svcsim.results.result import Result
from tests.report.made import EVIL, rollout

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

# in a frame, since a browser's window has a least width
HARNESS = """<!doctype html><body style="margin:0">
<iframe id="page" style="border:0;width:WIDTHpx;height:900px"></iframe>
<script>
const frame = document.getElementById("page");
frame.srcdoc = SOURCE;
frame.onload = () => {
  const page = frame.contentDocument, root = page.documentElement, wide = [];
  page.querySelectorAll("details").forEach(d => d.open = true);
  page.querySelectorAll("body *").forEach(e => {
    if (e.closest("svg") || e.parentElement.closest(".scroll, pre")) return;
    if (e.getBoundingClientRect().right > root.clientWidth + 1) wide.push(e.tagName + "#" + e.id);
  });
  const found = {width: root.clientWidth, scroll: root.scrollWidth, wide, scripts: page.scripts.length};
  document.body.textContent = "FOUND" + JSON.stringify(found) + "END";
};
</script></body>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [1200, 420])
@pytest.mark.parametrize("case", ["simulated", "names"])
def test_nothing_overflows(case: str, width: int, simulated: Result, tmp_path: Path) -> None:
    long = "a-very-long-name-without-any-blank" * 6
    names = rollout(
        pods=60, workload=f"deployment/{long}", clients=((long, "cluster-ip"), (EVIL, "pod-ip once"))
    )
    page = write_report(
        simulated if case == "simulated" else names, tmp_path, title=None if case == "simulated" else long
    )
    source = json.dumps(page.read_text(encoding="utf-8")).replace("</", "<\\/").replace("<!--", "<\\!--")
    harness = tmp_path / "harness.html"
    harness.write_text(HARNESS.replace("WIDTH", str(width)).replace("SOURCE", source), encoding="utf-8")
    assert CHROMIUM is not None
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    dumped = subprocess.run(
        [CHROMIUM, *options, "--virtual-time-budget=5000", "--dump-dom", harness.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    answer = re.search(r"FOUND(.*)END", dumped)
    assert answer, dumped[-500:]
    found = json.loads(answer[1].replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&"))
    assert width - 20 <= found["width"] <= width
    assert found["scroll"] <= found["width"]
    assert found["wide"] == []
    assert found["scripts"] == 0
