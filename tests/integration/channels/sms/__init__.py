"""Tests of channels/sms."""
