"""Moving scenes of an older system, kept as blocks, into the update log."""
