"""Hard rules: the gates, and the expressions that policies and rules are written in."""
