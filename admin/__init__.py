"""The tools of an administrator: `rushes-admin`, `rushes doctor` and `rushes logs`."""
