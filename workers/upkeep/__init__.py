"""Loops that look after jobs and data in the background of every worker process."""
