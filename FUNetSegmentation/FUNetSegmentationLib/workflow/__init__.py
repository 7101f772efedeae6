"""What the user does, from a node of the scene to a result in it."""
