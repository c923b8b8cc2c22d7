"""Where a job runs: `engine` is the seam; `docker` and `local` are the engines, imported when one is wanted."""
