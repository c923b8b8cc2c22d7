"""Whether a step must run at all, and why: its ingredients, what they gave before, what that predicts."""
