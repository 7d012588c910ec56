"""How fast the hub is: the same calls direct, through a bare relay and through the hub, side by side."""
