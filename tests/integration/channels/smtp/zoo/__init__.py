"""The mail server zoo: awkward mail servers, and what must come of each. `docs/mail-servers.md` is made from it:

python -m tests.integration.channels.smtp.zoo
"""
