"""What a type of plugin is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from twistedgw.config.model import Plugin
    from twistedgw.config.option import Option
    from twistedgw.config.plugins.stage import Stage
    from twistedgw.config.section import Section

__all__ = ["PluginType"]


class PluginType(ABC):
    """A type of plugin: what may be written, what must hold, and what it does to requests. It has no state.

    Attributes:
        name: the value of the option ``type``.
        about: one sentence for people.
        options: those of its sections, besides ``type``.
        grpc_only: whether it can do something for APIs with a gRPC backend only.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    options: ClassVar[tuple[Option, ...]]
    grpc_only: ClassVar[bool] = False

    def check(self, section: Section) -> None:  # noqa: B027 - most types have something to check, not all
        """Report what must hold between options. An option that was refused by itself has no value."""

    @abstractmethod
    def build(self, section: Section) -> Plugin:
        """Make the plugin of a section in which nothing is wrong."""

    def stage(self, plugin: Plugin, previous: Stage | None) -> Stage | None:  # noqa: ARG002
        """Give what the plugin does to requests; None where it does nothing by itself. Any thread.

        Args:
            plugin: made by `build`.
            previous: the stage of the plugin of this name and type in the generation before, whose state may live on.
        """
        return None
