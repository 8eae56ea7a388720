"""The shared language: ids, actors, resources, events, requests, subjects, streams, frames."""
