"""`python -m consumers`"""

from consumers.worker import serve
from tidings.runtime.process import run


def main() -> None:
    """Runs a consumer until SIGTERM or SIGINT."""
    run("consumer", serve)


if __name__ == "__main__":
    main()
