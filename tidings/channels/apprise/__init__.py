"""Channel `apprise`: a hundred services more, by URL."""
