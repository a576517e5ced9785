"""The web app's static files: built once from their sources, kept under the data directory by content.

Installing and hashing need the standard library and Node's wheel alone, so that `make run` can begin with
them before the other packages are there.
"""
