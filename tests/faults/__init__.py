"""What a fault may cost: time, never an edit that somebody saw or that was acknowledged."""
