"""linecert's service: signs device CSRs on a manufacturing line and records what it signed."""
