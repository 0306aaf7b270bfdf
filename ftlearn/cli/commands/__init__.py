"""One file per command; what it runs is imported when it runs, so that help comes at once."""
