"""Corpora as they come, to manifests; a module a kind of source."""
