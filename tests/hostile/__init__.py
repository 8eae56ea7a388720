"""Whatever one client sends, it is that client's problem: nobody else so much as notices."""
