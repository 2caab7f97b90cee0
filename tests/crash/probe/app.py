"""What takes long to import, for the tests of the fork server: nothing."""
