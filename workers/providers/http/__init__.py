"""HTTP as the adapters need it: calls that go out once, and answers read piece by piece."""
