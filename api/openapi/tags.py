"""The headings of the API's own routes, in a module of their own because every room imports them."""

from typing import Final

from api.openapi.operation import Tag

MESSAGES: Final = Tag("Messages", "Hand in one or many, look them up, cancel them, try them again.")
ENDPOINTS: Final = Tag("Endpoints", "Where webhooks of events go: URL, types, secret, and how each one fares.")
EVENTS: Final = Tag("Events", "What happened, for every endpoint that wants to hear of it.")
QUEUES: Final = Tag("Queues", "Streams of messages, each with its own pace and its own switch.")
HOLDS: Final = Tag("Holds", "Endpoints to which nothing goes until somebody releases them.")
GATEWAYS: Final = Tag("Gateways", "SMS gateways, own and the operator's: where text messages go.")
BOUNCES: Final = Tag("Bounces", "What mail servers and mailbox providers report of mail that was sent.")
SUPPRESSIONS: Final = Tag("Suppressions", "Addresses that take no more mail of a user, and why.")
OVERVIEW: Final = Tag("Overview", "What goes on, now and in the last hour, consumers and stores.")
ACCOUNTS: Final = Tag("Accounts", "Make oneself an account, log in to it, change it.")
API_KEYS: Final = Tag("API keys", "With which programs act for a user.")
SESSIONS: Final = Tag("Sessions", "What logins began: see them, and log out.")
USERS: Final = Tag("Users", "All accounts, for admins.")
AUDIT: Final = Tag("Audit", "Who changed what, when and from where.")
HEALTH: Final = Tag("Health", "Whether the process, the stores and the whole are well. Open to everybody.")
REFERENCE: Final = Tag("Reference", "This document.")
