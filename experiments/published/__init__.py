"""Published figures beside this program's own."""
