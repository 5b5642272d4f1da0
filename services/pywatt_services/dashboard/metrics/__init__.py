"""The metrics of the app over time, as the dashboard draws them."""
