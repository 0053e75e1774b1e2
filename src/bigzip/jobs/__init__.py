"""Archives that are built in the background, by any number of workers, into an object store or a directory."""
