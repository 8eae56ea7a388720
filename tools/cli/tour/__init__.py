"""What `scriptorium demo` does: a person, a manuscript, and two friends who write together."""
