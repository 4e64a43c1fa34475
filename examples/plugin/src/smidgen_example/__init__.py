"""A method, a data set and a target for smidgen."""
