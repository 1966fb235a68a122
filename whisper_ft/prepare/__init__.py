"""Convert published corpora, subtitled recordings and noises to manifests."""
