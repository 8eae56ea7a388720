"""Collection: unreferenced blobs are condemned, wait, are checked again, and are deleted."""
