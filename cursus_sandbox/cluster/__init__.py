"""Steps on the hosts of a Dask cluster: who sends errands out, who runs them there, and what they say to each other."""
