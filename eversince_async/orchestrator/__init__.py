"""The life of a video: create, wait, render, wait, share, download, as things one can await."""
