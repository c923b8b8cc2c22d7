"""What this machine has to run steps with, what it lacks, and what to do about that."""
