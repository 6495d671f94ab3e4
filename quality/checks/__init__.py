"""Asset checks: what must hold, and what happens where it does not."""
