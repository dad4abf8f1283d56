"""Any text of one line."""

from tidings.channels.recipient import Recipients


class EchoRecipients(Recipients):
    """All messages go to the one logger."""

    only_destination = "echo"
    max_content_bytes = 64 * 1024
