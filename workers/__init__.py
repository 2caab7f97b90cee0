"""The worker role: claims jobs, runs their steps, rescues what nobody runs."""
