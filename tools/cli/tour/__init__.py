"""The tour of `scriptorium demo`: a person, a manuscript, and two friends who write together."""
