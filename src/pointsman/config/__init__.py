"""The configuration file: its schema, how it is read, and what it becomes when there is none."""
