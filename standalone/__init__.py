"""The one-command run: Valkey, servers, HTTP process, workers and Envoy under one supervisor."""
