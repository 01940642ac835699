"""``twistd grpcgw``: its options, and the service that they make."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.python.usage import Options as UsageOptions

from twistedgw.reactors import install_reactor
from twistedgw.signals import Hangup

if TYPE_CHECKING:
    from twisted.application.service import IService

__all__ = ["Options", "makeService"]


class Options(UsageOptions):
    """The command line of ``twistd grpcgw``: where the configuration is. All else stands in that file."""

    longdesc = (
        "An API gateway from HTTP/HTTPS and JSON to gRPC, by .proto files read at run time."
        " Without --config it serves an embedded demo on http://127.0.0.1:8080."
        " `grpcgw check`, `grpcgw routes` and others look at a configuration without serving it."
    )
    optParameters = [  # noqa: RUF012 - usage.Options wants it so
        ["config", "c", None, "The INI file to serve; the embedded demo where it is absent.", Path],
    ]

    def postOptions(self) -> None:
        """Read and check the whole configuration: paths are still relative to the working folder here.

        Raises:
            SystemExit: it is wrong; the report has gone to standard error.
        """
        hangup = Hangup()
        hangup.arm()
        install_reactor()
        # Only now: these import the reactor.
        from twistedgw.errors import ConfigError
        from twistedgw.start import prepare

        config = self["config"]
        try:
            self.prepared = prepare(config.absolute() if config else None, os.environ, hangup)
        except ConfigError as error:
            sys.stderr.write(f"{error.report()}\n")
            raise SystemExit(1) from None


def makeService(options: Options) -> IService:
    """Make the service. Opens nothing and starts nothing: twistd has not forked yet."""
    return options.prepared.service()
