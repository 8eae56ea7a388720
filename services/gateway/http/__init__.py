"""HTTP itself: how a route is declared, served, and documented."""
