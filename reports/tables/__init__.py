"""Tables in markdown, CSV and LaTeX, and the lines below them."""
