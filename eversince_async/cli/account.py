"""`eversince credits`: the balance of the account."""

from eversince_async.cli._addresses import address
from eversince_async.cli._client import connect
from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli._options import AsJson, Debug
from eversince_async.cli._output import write_line
from eversince_async.cli._tables import print_json, print_rows


async def credits_(*, as_json: AsJson = False, debug: Debug = False) -> ExitCode:
    """Show the remaining credits, and where to buy more.

    Args:
        as_json: Print the result as JSON.
        debug: Show tracebacks and what is sent.
    """
    del debug  # the dispatcher reads it when it prints errors
    async with connect() as eversince:
        left = await eversince.account.credits()
        offer = await eversince.account.credit_packages()
    if as_json:
        print_json({"credits_balance": left.credits_balance, "packages": offer.packages})
        return ExitCode.DONE
    write_line(f"{left.credits_balance:g} credits")
    if offer.packages:
        print_rows(
            ("credits", "price", "buy"),
            [
                (package.credits, package.price, address("purchase_url", package.purchase_url))
                for package in offer.packages
            ],
        )
    return ExitCode.DONE
