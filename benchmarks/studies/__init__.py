"""The studies, one to a module: the first line of each says what it asks, and its `main` reads a command line."""
