"""Files of messages: `tidings import` reads them, `tidings export` writes them, line by line in constant memory."""
