"""Part B: learning from the data itself, by tasks that need no labels. SimCLR is here too, though part A teaches it."""
