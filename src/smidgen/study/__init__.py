"""Many trials, their one store, and what their seeds allow to be said."""
