"""A zoo of models that cheat or are broken; each is refused or gains nothing."""
