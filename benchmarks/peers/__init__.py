"""What is measured side by side: one adapter each, started in its own process and folder."""
