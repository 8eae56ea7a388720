"""The example subscribers, run as they stand in `examples`."""
