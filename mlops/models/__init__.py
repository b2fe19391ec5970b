"""Floor 3: predictors, heuristics, the flat compiled form and the bundle that carries them."""
