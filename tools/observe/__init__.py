"""The page of figures that `scriptorium up --observe` serves; it needs nothing installed."""
