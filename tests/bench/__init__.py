"""Scriptorium beside Hocuspocus and @y/websocket-server, on one machine in one run."""
