"""What people read: a plan or a result, in a terminal."""
