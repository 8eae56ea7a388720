"""Claims about all inputs, tried on many."""
