"""Live editing: the WebSockets of a gateway, their sessions, and the way of edits to collab."""
