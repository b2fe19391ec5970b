"""Floor 6: the request path. Lean: it loads a bundle and imports no training library."""
