"""What the service does, without transport: values in, values out, domain errors raised."""
