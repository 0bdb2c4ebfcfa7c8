"""The composition root: from a configuration to running objects. The only place that knows every part."""
