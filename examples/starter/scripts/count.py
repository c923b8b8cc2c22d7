"""Count people by town."""

import csv
import json
from collections import Counter
from pathlib import Path


def main(input_paths, output_paths, environ_vars, job_args=None):
    """Read and write where it is told, so that it runs wherever it is called."""
    with (Path(input_paths["grown"]) / "grown.csv").open(newline="") as file:
        towns = Counter(row["town"] for row in csv.DictReader(file))
    (Path(output_paths["towns"]) / "towns.json").write_text(json.dumps(towns))
    print(dict(towns))


if __name__ == "__main__":  # as in its container
    main({"grown": "/opt/ml/processing/input/grown"}, {"towns": "/opt/ml/processing/output/towns"}, {})
