"""What is measured: the product, and the floor of gRPC. Peers are in `bench.peers`."""
