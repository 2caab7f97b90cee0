"""The gRPC services: one short method for each RPC."""
