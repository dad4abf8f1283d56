"""`python -m api`"""

from api.service import serve
from tidings.runtime.process import run


def main() -> None:
    """Runs the API until SIGTERM or SIGINT."""
    run("api", serve)


if __name__ == "__main__":
    main()
