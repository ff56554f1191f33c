"""From a plan or from finished trials to tables, plots and the page."""
