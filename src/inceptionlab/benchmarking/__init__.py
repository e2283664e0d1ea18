"""How fast networks are: candidates, interleaved rounds, peaks of the machine."""
