"""From a file that a provider made to the job's result."""
