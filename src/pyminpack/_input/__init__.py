"""What users hand in: conversions, checks, and the texts of what is wrong with it."""
