"""What `benchmarks/gateway.py` is made of: a model server and a load generator in C, the gateways to measure, and the steps."""
