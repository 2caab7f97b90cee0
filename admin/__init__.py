"""What an administrator does at the machine: rushes-admin, and the doctor and logs of `rushes`."""
