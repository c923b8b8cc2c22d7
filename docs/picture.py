"""Makes docs/report.png: the report of the tutorial's failed run, as chromium shows it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SANDBOX = Path(sys.executable).with_name("cursus-sandbox")
WRITES = "        write_table(table, Path"
RENAMES = '        table = table.rename(columns={"distance": "distance_km"})\n'
SIZE = "1280,1450"


def main() -> None:
    """Run the example, break it, run it again, and take a picture of the report."""
    with tempfile.TemporaryDirectory() as folder:
        flights = Path(shutil.copytree(ROOT / "examples/xgboost", Path(folder, "flights")))
        subprocess.run([SANDBOX, "run", "dag.yaml"], cwd=flights, check=True)
        script = flights / "scripts/missing_value_imputation.py"
        script.write_text(script.read_text(encoding="utf-8").replace(WRITES, RENAMES + WRITES), encoding="utf-8")
        subprocess.run([SANDBOX, "run", "dag.yaml", "--no-cache"], cwd=flights, check=False)
        subprocess.run([SANDBOX, "report"], cwd=flights, check=True)
        browser = next(path for name in ("chromium", "google-chrome") if (path := shutil.which(name)))
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={SIZE}"]
        picture = f"--screenshot={ROOT / 'docs/report.png'}"
        subprocess.run([browser, *options, picture, f"file://{flights / 'report.html'}"], check=True)


if __name__ == "__main__":
    main()
