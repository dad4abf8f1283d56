"""`python -m producer`"""

from producer.service import serve
from tidings.runtime.process import run


def main() -> None:
    """Runs a producer until SIGTERM or SIGINT."""
    run("producer", serve)


if __name__ == "__main__":
    main()
