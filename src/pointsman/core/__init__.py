"""The decision and the values it is made of: pure, standard library only."""
