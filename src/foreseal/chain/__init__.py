"""Outside clocks and agreements: what others attest about a log."""
