"""Programs for those who deploy: `python -m deploy.secrets`, `python -m deploy.generate`."""
