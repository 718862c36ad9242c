"""A scenario as text: its keys and types, its places, and the reading and writing of it."""
