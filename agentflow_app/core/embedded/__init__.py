"""PostgreSQL and Redis from the wheels, run as children under the data directory."""
