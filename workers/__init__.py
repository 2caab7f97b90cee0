"""The worker role: claims jobs, runs their steps, and rescues jobs that nobody runs."""
