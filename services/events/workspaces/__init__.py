"""Projects as a whole: cloned, kept as templates, exported and imported; a person's library."""
