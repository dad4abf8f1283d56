"""Accounts: who may use this deployment, how they prove it, and what is sent in their name.

The services here know nothing of requests; routes, compatible interfaces and the command line are thin around them.
Their errors are those of `api.accounts.errors`, besides `InvalidError`, which names what is wrong.

    Users       register, profile, SMTP account, signing secret, role, channels
    Logins      an e-mail address and a password for a bearer token
    ApiKeys     keys for programs
    Credentials whom a bearer token or an API key speaks for

May import `api.http`, `api.openapi`, `sql` and `tidings`.
"""
