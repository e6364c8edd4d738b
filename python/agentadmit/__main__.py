"""The command `agentadmit`: the service, its administration, and what app developers run."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Runs the command that the arguments name, in this process, and exits with its code."""
    from agentadmit import _core

    run = getattr(_core, "main", None)
    if run is None:
        sys.exit("agentadmit: this build has no command in it (it was made without `service`)")
    # the command has its own way with signals; where it has none, a Ctrl-C ends it at once
    for name in ("SIGINT", "SIGXFSZ"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    again = [sys.executable, "-m", "agentadmit"]
    from agentadmit._check_app import check_app, taken_from

    app, arguments = taken_from(sys.argv[1:])
    code = run(["agentadmit", *arguments], again)
    # a configuration that cannot be used makes the app fail too: one error is enough
    sys.exit(max(code, check_app(app)) if app is not None and code < 2 else code)


if __name__ == "__main__":
    main()
