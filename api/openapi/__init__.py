"""The API's description of itself: OpenAPI 3.1, made from the routes that serve and from their types.

operation      what a handler declares, by a decorator: the one thing to know for adding a route
failures       the errors that a route has without declaring them
error_formats  how errors look on its path
schemas        the types as JSON Schema
document       all of it as one document

Imports the `schemas` of the other rooms for examples, and of `api.compat` what its systems are.
"""
