"""What runs and inspects the product from outside: the launcher, the command line, the schema."""
