"""Tools that run and inspect the product from outside: launcher, command line, schema."""
