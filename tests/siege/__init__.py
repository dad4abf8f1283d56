"""The siege: many strangers try everything at once against a `tidings up`, while honest clients post and receive.

`make siege SECONDS=3600` for an hour. Everything is on loopback, and bounded in count and time.
"""
