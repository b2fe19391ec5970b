"""Floor 5: processes that are kept alive, the memory they share, and the HTTP they speak."""
