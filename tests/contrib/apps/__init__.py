"""Applications that serve what `bigzip.testing.served` has, one a framework."""
