"""The ai service: runs that can be seen, resumed and cancelled, and the offline engine."""
