"""What must hold: Great Expectations suites, run as blocking asset checks."""
