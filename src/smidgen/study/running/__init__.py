"""Running trials: on this machine or on a cluster, one process a trial."""
