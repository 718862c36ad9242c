"""Rules of single kinds of events and clients, in files of their own."""
