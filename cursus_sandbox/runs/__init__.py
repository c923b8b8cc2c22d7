"""A workspace on disk: the folders of its runs, their lock, journal and records, found, recovered and pruned."""
