"""From stored ranks to the figures that tables and plots show."""
