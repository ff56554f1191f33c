"""Sessions cut into what models train on: windows, chunks, prefixes."""
