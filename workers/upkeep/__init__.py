"""What looks after jobs and data in the background of every worker process."""
