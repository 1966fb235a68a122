"""Small models, recordings, manifests, runs and subtitles that tests build."""
