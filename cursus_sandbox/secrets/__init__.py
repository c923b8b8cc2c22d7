"""What must not be seen: the values of secrets, and their masking wherever bytes leave a step."""
