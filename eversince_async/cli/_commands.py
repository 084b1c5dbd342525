"""The list of commands, and the page that `eversince --help` prints."""

from typing import Final, NamedTuple

from eversince_async.cli._exit_codes import ExitCode


class Command(NamedTuple):
    """A command.

    Attributes:
        name: The word to type.
        summary: One line on its purpose.
        home: The module in this package that holds its function.
    """

    name: str
    summary: str
    home: str

    @property
    def function(self) -> str:
        """The name of the command's function.

        It ends in an underscore, because two names would hide builtins otherwise.
        """
        return f"{self.name}_"


COMMANDS: Final = {
    "Try it": (
        Command("demo", "Produce eight videos at once, without key or network.", "demo"),
        Command("emulator", "Run a local Eversince to try things out.", "emulator"),
        Command("doctor", "Check key, address and versions, with advice.", "doctor"),
    ),
    "Videos": (
        Command("produce", "Produce a video from a brief, and download it.", "produce"),
        Command("resume", "Continue a project, or what a journal remembers, to its end.", "resume"),
        Command("status", "Show the status of a project.", "projects"),
        Command("list", "List projects.", "projects"),
        Command("download", "Download a project's video.", "projects"),
        Command("cancel", "Stop a project's agent.", "projects"),
        Command("upload", "Upload a file to refer to in briefs.", "upload"),
    ),
    "Batches and pipelines": (
        Command("batch", "Produce a video for each row of a file, each once.", "batch"),
        Command("report", "Write a report from a journal.", "report"),
        Command("approve", "Answer a pipeline's question, or list the open ones.", "approve"),
        Command("decide", "Tell a journal whether something in doubt happened.", "decide"),
    ),
    "The account": (Command("credits", "Show the credits left, and where to buy more.", "account"),),
}
"""All commands by group, in the order in which the page shows them."""

BY_NAME: Final = {command.name: command for group in COMMANDS.values() for command in group}
"""All commands by name."""

VARIABLES: Final = {
    "EVERSINCE_API_KEY": "your key; it begins with es_live_",
    "EVERSINCE_JOURNAL": "where pipelines are remembered, if not in eversince.db",
    "EVERSINCE_BASE_URL": "where the API lives, if not at https://eversince.ai/api/v1",
    "EVERSINCE_ALLOW_HTTP": "1 to send the key unencrypted to http:// on another machine",
    "EVERSINCE_SPEED": "for the emulator only: seconds that pass in one, as `emulator --speed`",
}
"""The environment variables and their meanings."""


def help_text() -> str:
    """Return the page that `eversince --help` prints."""
    lines = ["Usage: eversince COMMAND [OPTIONS]", "", "Make videos with the Eversince creative agent."]
    for group, commands in COMMANDS.items():
        lines += ["", f"{group}:", *(_row(command.name, command.summary) for command in commands)]
    lines += ["", "Everywhere:"]
    lines += [
        _row("--help", "Show the arguments and options of a command."),
        _row("--json", "Print the result as JSON."),
        _row("--debug", "Show tracebacks and what is sent."),
        _row("--allow-http", "Send the key unencrypted to http:// on another machine."),
        _row("--version", "Print the version."),
    ]
    lines += ["", "Environment:", *(_row(name, text, 20) for name, text in VARIABLES.items())]
    lines += ["", "Exit codes:", *(_row(str(code.value), code.meaning) for code in ExitCode)]
    return "\n".join(lines)


def _row(left: str, right: str, width: int = 12) -> str:
    return f"  {left:<{width}} {right}"
