"""The commands of `tidings secrets` and their help."""
# ruff: noqa: PLC0415

import typer

from tidings import settings as configuration

app = typer.Typer(help="Exchange the keys that encrypt users' secrets (SECRET_KEYS).", no_args_is_help=True)


@app.command("new-key")
def new_key() -> None:
    """Print a new key for SECRET_KEYS."""
    from tidings.security.secretbox import new_key as make

    typer.echo(make())


@app.command()
def rotate() -> None:
    """Bring every secret in Postgres under the first of SECRET_KEYS."""
    from tidings.cli.secrets import rotate_secrets
    from tidings.runtime.stores import resolve

    rotation = rotate_secrets(resolve(configuration.load()))
    typer.echo(f"{rotation.resealed} of {rotation.users} users with secrets came under the newest key")
