"""The interfaces of five earlier systems, kept so that their clients need not change.

One module a system over what they share (`native`, `listing`, `system`). May import every room of the API; none imports
it but the application and the document's error formats.
"""
