"""Keep the people who have an age."""

import csv
import os
from pathlib import Path


def main(input_paths, output_paths, environ_vars, job_args=None):
    """Read and write where it is told, so that it runs wherever it is called; what Cursus' scripts have, too."""
    source = Path(input_paths["people"]) / "people.csv"
    target = Path(output_paths["grown"]) / "grown.csv"
    with source.open(newline="") as read, target.open("w", newline="") as file:
        rows = csv.DictReader(read)
        written = csv.DictWriter(file, rows.fieldnames)
        written.writeheader()
        kept = [row for row in rows if int(row["age"]) >= int(environ_vars["AGE"])]
        written.writerows(kept)
    print(f"{len(kept)} people are {environ_vars['AGE']} or older")


if __name__ == "__main__":  # as in its container
    main({"people": "/opt/ml/processing/input/people"}, {"grown": "/opt/ml/processing/output/grown"}, os.environ)
