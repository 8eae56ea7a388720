"""Commands for those who run the system; they ask the services over the bus."""
