"""How child processes start and end, what they may open, and who else uses the machine."""
