"""What operators ask of blobs, and the wiring of all that works in the background."""
