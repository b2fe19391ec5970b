"""Floor 2: what a service accepts and yields, read from pandera, compiled for serving."""
