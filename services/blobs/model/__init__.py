"""What blobs are made of; pure."""
