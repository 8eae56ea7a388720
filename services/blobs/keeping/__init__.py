"""Bytes that stay: verified again and again, and moved to the cold tier when nobody reads them."""
