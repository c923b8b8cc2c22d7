"""One step, run: its attempts, hosts and logs, and what is told of it when it fails."""
