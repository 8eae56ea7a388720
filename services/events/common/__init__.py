"""What the handlers of all areas share: contexts and claims of commands, checks, references."""
