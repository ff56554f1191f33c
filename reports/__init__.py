"""Tables made from finished trials."""
