"""Tables in, matplotlib axes out; no statistics."""
