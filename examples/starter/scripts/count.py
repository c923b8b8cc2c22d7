"""Count people by town."""

import csv
import json
from collections import Counter
from pathlib import Path

with Path("/opt/ml/processing/input/grown/grown.csv").open(newline="") as file:
    towns = Counter(row["town"] for row in csv.DictReader(file))
Path("/opt/ml/processing/output/towns/towns.json").write_text(json.dumps(towns))
print(dict(towns))
