"""The HTTP service: `bigzip serve`."""
