"""Floor 4: measures of accuracy, ranking and business value, and the verdicts on them."""
