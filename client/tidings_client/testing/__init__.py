"""For the tests of programs that send through tidings: a fake, a clock to move, and a real server.

def test_the_code_is_sent(fake_tidings: FakeTidings) -> None:
    sign_up("+4915112345678", tidings=fake_tidings)
    fake_tidings.assert_sent("+4915112345678", containing="code")
"""

from tidings_client.testing.clock import MovedClock
from tidings_client.testing.fake import FakeTidings
from tidings_client.testing.server import TidingsServer, running

__all__ = ["FakeTidings", "MovedClock", "TidingsServer", "running"]
