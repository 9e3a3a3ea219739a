# SPDX-License-Identifier: MIT
"""``python -m vring``: commands for people who want to look at queues and pools, or to talk to a device."""

import argparse
import os
import sys

from vring import explain, vhost_user_command
from vring.inspect import command as inspect_command


def main() -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vring", description="Look at queues and pools; talk to devices.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    inspect_command.add_parser(commands)
    explain.add_parser(commands)
    vhost_user_command.add_parser(commands)
    options = parser.parse_args()
    try:
        options.run(options)
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except options.errors as error:
        print(f"vring {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
