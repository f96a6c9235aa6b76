"""Classes that come in sequence: what an energy keeps of the earlier ones, beside other ways."""
