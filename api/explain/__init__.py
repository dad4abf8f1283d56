"""Why a message has not been sent yet."""
