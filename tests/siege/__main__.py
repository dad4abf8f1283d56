"""`python -m tests.siege --seconds 3600`: a long siege, and whether what is asked of it was kept."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.siege.siege import LATE_MS, POST_MS, besiege

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--seconds", type=float, default=60.0, help="how long (60)")
parser.add_argument("--report", type=Path, help="where to write what came of it, beside printing it")
asked = parser.parse_args()

with tempfile.TemporaryDirectory(prefix="tidings-siege-") as name:
    # The embedded Postgres is another user than root.
    Path(name).chmod(0o711)
    report = asyncio.run(besiege(Path(name), asked.seconds))
print(report)
if asked.report:
    asked.report.parent.mkdir(parents=True, exist_ok=True)
    asked.report.write_text(f"{report}\n", "utf-8")
kept = (
    not report.failures
    and not report.honest.lost
    and not report.too_large
    and report.post_p99_ms <= POST_MS
    and report.late_p99_ms <= LATE_MS
)
sys.exit(0 if kept else 1)
