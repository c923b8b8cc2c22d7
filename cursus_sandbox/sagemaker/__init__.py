"""Everything about /opt/ml: a planned step and some folders become a job."""
