"""What Schemathesis loads: a mail is sent as the text that it is."""

import schemathesis

schemathesis.serializer.alias("message/rfc822", "text/plain")
