"""The gateway's own data: people, their credentials, and teams."""
