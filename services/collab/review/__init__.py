"""Review of text that is edited live: anchors, threads, suggestions, patches, refactors."""
