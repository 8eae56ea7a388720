"""The end of bytes: what nothing refers to is condemned, waits, is looked at again, and goes."""
