"""Makes the page."""

from tests.integration.channels.smtp.zoo.page import FILE, render

FILE.write_text(render(), encoding="utf-8")
