"""Side-by-side measurements of the library and its named peers, each a ratio within one run."""
