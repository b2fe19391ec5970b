"""Floor 9: the door. One thin file a command."""
