"""What was promised to subscribers: recorded events, schemas, and what may change about them."""
