"""What a user asks for, from options and TOML to a checked plan."""
