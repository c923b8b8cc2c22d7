"""Keep the people who have an age."""

import csv
import os
from pathlib import Path

source = Path("/opt/ml/processing/input/people/people.csv")
target = Path("/opt/ml/processing/output/grown/grown.csv")

with source.open(newline="") as read, target.open("w", newline="") as file:
    rows = csv.DictReader(read)
    written = csv.DictWriter(file, rows.fieldnames)
    written.writeheader()
    kept = [row for row in rows if int(row["age"]) >= int(os.environ["AGE"])]
    written.writerows(kept)
print(f"{len(kept)} people are {os.environ['AGE']} or older")
