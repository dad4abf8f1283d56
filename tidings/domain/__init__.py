"""The words of the domain, pure: message, account, states, retry, errors, ids, timestamps. Imports nothing of ours."""
