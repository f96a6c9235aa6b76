"""Ground floor: sign and gradient of an energy, positions, random streams, errors, records."""
