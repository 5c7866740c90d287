"""Rules, dashboards and the pages about them, beside the code and real programs."""
