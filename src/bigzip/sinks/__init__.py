"""Where an archive is written to."""
