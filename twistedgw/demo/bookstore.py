"""A bookstore in memory, as a gRPC server made from descriptors."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
from google.protobuf import message_factory

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import ServiceDescriptor

__all__ = ["Bookstore", "start_bookstore"]

SERVICE = "bookstore.v1.Bookstore"
_LARGEST_PAGE = 100


class Bookstore:
    """The service's methods: each takes a request and a context, and gives the response. Any thread."""

    def __init__(self, service: ServiceDescriptor) -> None:
        """Open a bookstore with a shelf or two.

        Args:
            service: ``bookstore.v1.Bookstore``, from whichever pool; messages are made of its types.
        """
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._types: dict[str, Any] = {
            descriptor.name: message_factory.GetMessageClass(descriptor)
            for method in service.methods
            for descriptor in (method.input_type, method.output_type)
        }
        self._book: Any = message_factory.GetMessageClass(service.file.message_types_by_name["Book"])
        self._shelves: dict[int, Any] = {}
        self._books: dict[int, dict[int, Any]] = {}
        self._stock()

    def _stock(self) -> None:
        for theme, books in (
            ("Novels", [("Middlemarch", "George Eliot", 1), ("The Trial", "Franz Kafka", 1)]),
            ("Science", [("On the Origin of Species", "Charles Darwin", 3)]),
        ):
            shelf = self._put_shelf(theme)
            for title, author, genre in books:
                self._put_book(shelf.id, self._book(title=title, author=author, genre=genre))

    def _put_shelf(self, theme: str) -> Any:
        shelf = self._types["Shelf"](id=next(self._ids), theme=theme)
        self._shelves[shelf.id] = shelf
        self._books[shelf.id] = {}
        return shelf

    def _put_book(self, shelf: int, book: Any) -> Any:
        copy = self._book()
        copy.CopyFrom(book)
        copy.id = next(self._ids)
        copy.added_at.GetCurrentTime()
        self._books[shelf][copy.id] = copy
        return copy

    # -- methods, by their names in the .proto

    def ListShelves(self, _request: Any, _context: grpc.ServicerContext) -> Any:
        """List all shelves."""
        with self._lock:
            return self._types["ListShelvesResponse"](shelves=self._shelves.values())

    def CreateShelf(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Put up a shelf; its theme is needed."""
        if not request.shelf.theme:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a shelf needs a theme")
        with self._lock:
            return self._put_shelf(request.shelf.theme)

    def GetShelf(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Get a shelf."""
        with self._lock:
            self._on(request.shelf, context)
            return self._shelves[request.shelf]

    def DeleteShelf(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Take a shelf down."""
        with self._lock:
            self._on(request.shelf, context)
            del self._shelves[request.shelf], self._books[request.shelf]
            return self._types["Empty"]()

    def ListBooks(self, request: Any, context: grpc.ServicerContext) -> Any:
        """List the books of one shelf or of all, page by page."""
        with self._lock:
            shelves = [self._on(request.shelf, context)] if request.shelf else self._books.values()
            books = [book for shelf in shelves for book in shelf.values() if self._wanted(book, request)]
        token = request.page_token
        if token and not token.isdigit():
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "page_token is none that this server gave")
        start, size = int(token or 0), min(request.page_size, _LARGEST_PAGE) or _LARGEST_PAGE
        more = str(start + size) if start + size < len(books) else ""
        return self._types["ListBooksResponse"](books=books[start : start + size], next_page_token=more)

    @staticmethod
    def _wanted(book: Any, request: Any) -> bool:
        return not request.genre or book.genre in request.genre

    def CreateBook(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Put a book on a shelf; its title is needed."""
        if not request.book.title:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a book needs a title")
        with self._lock:
            self._on(request.shelf, context)
            return self._put_book(request.shelf, request.book)

    def GetBook(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Get a book."""
        with self._lock:
            return self._of(request.shelf, request.book, context)

    def UpdateBook(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Change the fields that the mask names; all of them where it is empty."""
        with self._lock:
            book = self._of(request.shelf, request.book.id, context)
            if not request.update_mask.IsValidForDescriptor(book.DESCRIPTOR):
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "update_mask names fields that a book does not have")
            if request.update_mask.paths:
                request.update_mask.MergeMessage(request.book, book, replace_repeated_field=True)
            else:
                book.CopyFrom(request.book)
            return book

    def MoveBook(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Move a book to another shelf."""
        with self._lock:
            book = self._of(request.shelf, request.book, context)
            self._on(request.to_shelf, context)[book.id] = self._books[request.shelf].pop(book.id)
            return book

    def DeleteBook(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Take a book off its shelf."""
        with self._lock:
            self._of(request.shelf, request.book, context)
            del self._books[request.shelf][request.book]
            return self._types["Empty"]()

    # --

    def _on(self, shelf: int, context: grpc.ServicerContext) -> dict[int, Any]:
        if shelf not in self._shelves:
            _not_found(context, f"there is no shelf {shelf}")
        return self._books[shelf]

    def _of(self, shelf: int, book: int, context: grpc.ServicerContext) -> Any:
        if book not in self._on(shelf, context):
            _not_found(context, f"there is no book {book} on shelf {shelf}")
        return self._books[shelf][book]


def _not_found(context: grpc.ServicerContext, message: str) -> NoReturn:
    context.abort(grpc.StatusCode.NOT_FOUND, message)
    raise AssertionError("abort returned")


def start_bookstore(service: ServiceDescriptor, port: int) -> grpc.Server:
    """Serve a new bookstore on a loopback port. Not before twistd has forked.

    Raises:
        RuntimeError: the port cannot be had.
    """
    store = Bookstore(service)
    server = grpc.server(ThreadPoolExecutor(4, "bookstore"))
    handlers = {method.name: _handler(getattr(store, method.name), method) for method in service.methods}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service.full_name, handlers)])
    if not server.add_insecure_port(f"127.0.0.1:{port}"):
        raise RuntimeError(f"port {port} is taken")
    server.start()
    return server


def _handler(function: Callable[[Any, Any], Any], method: Any) -> grpc.RpcMethodHandler[Any, Any]:
    request = message_factory.GetMessageClass(method.input_type)
    return grpc.unary_unary_rpc_method_handler(
        function,
        request_deserializer=request.FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )
