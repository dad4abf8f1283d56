"""The API's description of itself: OpenAPI 3.1, made from the routes that serve and from their types.

operation   what a handler says of itself, by a decorator: the one thing to know for whoever adds a route
failures    which errors a route has without saying so
schemas     the types as JSON Schema, each field with the text that stands below it
document    all of it as one document
"""
