"""Where a root input comes from: a folder, S3, an earlier execution, or nowhere at all."""
