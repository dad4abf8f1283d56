"""The commands of `tidings`, put together. Each hands over to the module that does the work.

That module is imported when the command runs, so that `tidings --help` answers at once.
"""

from typing import Final

import typer

from tidings.cli import message_commands, run_commands, secret_commands, user_commands, watch_commands

app = typer.Typer(
    help="Delivers messages on time, once, with bounded retries.",
    epilog="Exit codes: 0 done; 1 not (all) done, as where a message does not exist; 2 wrong command, or no answer.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ACCOUNTS: Final = "Accounts and keys"

app.add_typer(run_commands.app)
app.add_typer(message_commands.app)
app.add_typer(watch_commands.app)
app.add_typer(user_commands.app, name="user", rich_help_panel=ACCOUNTS)
app.add_typer(secret_commands.app, name="secrets", rich_help_panel=ACCOUNTS)
