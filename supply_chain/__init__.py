"""What AgentFlow is made of: `make audit` asks for known faults of it, the image carries the list."""
