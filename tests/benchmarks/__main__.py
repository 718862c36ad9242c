"""Print every figure: `python -m tests.benchmarks [--json]`."""

from __future__ import annotations

import argparse
import json

from tests.benchmarks.speed import as_dicts, measure

parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
parser.add_argument("--json", action="store_true", help="print one JSON document")
figures = measure()
if parser.parse_args().json:
    print(json.dumps(as_dicts(figures), indent=2))
else:
    for f in figures:
        print(f"{f.name:36s} {f.value:12.1f} {f.unit}   {f.ratio:8.2f} x {f.ratio_to}")
