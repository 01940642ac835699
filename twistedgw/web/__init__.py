"""Twisted's side of the frontend: the resource tree, the site, TLS and the access log."""
