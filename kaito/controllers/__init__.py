"""Controllers: one folder a Kind, each with controller, observe, plan and status."""
