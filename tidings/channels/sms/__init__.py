"""Channel `sms`: text messages through a gateway."""
