"""The work of each call, without transport: values in, values out, domain errors raised."""
