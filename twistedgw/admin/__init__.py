"""The admin API and the console: what changes a running gateway."""
