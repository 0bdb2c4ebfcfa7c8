"""Plans as generators: they say what to do next; the gateway does it."""
