"""What every process needs: settings, logs, metrics, keys, failpoints, and systemd's protocol."""
