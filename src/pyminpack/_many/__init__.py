"""Many fits of one model at a time."""
