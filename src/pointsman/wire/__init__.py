"""Client and provider formats: machines without sockets."""
