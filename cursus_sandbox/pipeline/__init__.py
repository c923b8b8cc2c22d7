"""What a pipeline is and what is decided of it: pure values and functions, no file, process or clock."""
