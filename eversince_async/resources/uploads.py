"""Uploads: request a URL, PUT the bytes, confirm. Source: the output page and the catalogue."""

import inspect
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial

import anyio

from eversince_async._wire.addresses import AddressRefused
from eversince_async._wire.endpoints import CONFIRM_UPLOAD, REQUEST_UPLOAD
from eversince_async.errors import TransportError, UploadRejected
from eversince_async.models.uploads import Upload, UploadConfirmation, UploadRequest, UploadTicket
from eversince_async.resources._base import Extra, Resource
from eversince_async.resources._sources import Content, Progress, Source, open_source
from eversince_async.session.session import Session
from eversince_async.transfers.store import Store, StoreRefused, in_words, wait_after

_PUT = "uploads.put"


class Uploads(Resource):
    """`eversince.uploads`."""

    def __init__(self, session: Session, store: Store) -> None:
        super().__init__(session)
        self._store = store

    async def upload(
        self,
        content: Content,
        *,
        name: str | None = None,
        content_type: str | None = None,
        size: int | None = None,
        on_progress: Progress | None = None,
    ) -> Upload:
        """Upload a file in all three steps; its `upload_id` is then a reference for briefs and messages.

        The bytes are streamed: memory does not grow with the file. A file or bytes are sent again, to a
        fresh URL, when the transfer breaks; a stream can be read only once.

        Cancelling this leaves at most an unconfirmed upload, which is harmless.

        Args:
            content: A path, the bytes, or an async stream of bytes.
            name: File name to send; a path's own by default, needed for anything else.
            content_type: MIME type; guessed from the name by default.
            size: Bytes; needed for a stream.
            on_progress: Called with bytes sent and bytes in all, after each piece; may be async. A file that
                is sent again begins again.

        Raises:
            UploadRejected: Missing, too large for every revision, changed while it was read, or refused by
                the store or the API's limits.
            InvalidRequest: A name or a size is needed.
            TransportError: The store cannot be reached.
        """
        source = await open_source(content, name=name, content_type=content_type, size=size)
        attempts = self._session.retry.attempts if source.replayable else 1
        delays = self._session.retry.delays()
        while True:
            ticket = await self.request(source.name, source.content_type, source.size)
            try:
                await self._put(ticket, source, on_progress)
                break
            except TransportError as failure:
                attempts -= 1
                wait = wait_after(failure, self._session.retry, delays)
                if attempts <= 0 or wait is None:
                    raise self._rejection(source, failure) from None
            await anyio.sleep(wait)
        return await self.confirm(ticket, source.name, source.content_type, source.size)

    async def request(
        self, file_name: str, content_type: str, file_size: int, *, extra: Extra = None
    ) -> UploadTicket:
        """Step 1: get a presigned URL, good for an hour.

        Args:
            file_name: The file's name.
            content_type: Its MIME type.
            file_size: Its size in bytes.
            extra: Fields this version does not know yet.

        Raises:
            ValidationFailed: A type or size the server does not take.
        """
        body = UploadRequest(file_name=file_name, content_type=content_type, file_size=file_size)
        return await self._session.send(REQUEST_UPLOAD, UploadTicket, body=body, extra=extra)

    async def put(
        self, ticket: UploadTicket, content: Content, *, name: str, content_type: str, size: int
    ) -> None:
        """Step 2: send the bytes to the presigned URL, without the API key.

        Args:
            ticket: What `request` gave.
            content: A path, the bytes, or an async stream of bytes.
            name: The file's name, for errors.
            content_type: The same as in step 1.
            size: The same as in step 1, in bytes.

        Raises:
            UploadRejected: The store refused it, e.g. as the URL has expired.
            TransportError: The store cannot be reached.
        """
        source = await open_source(content, name=name, content_type=content_type, size=size)
        try:
            await self._put(ticket, source, None)
        except TransportError as failure:
            raise self._rejection(source, failure) from None

    async def confirm(
        self,
        ticket: UploadTicket | str,
        file_name: str,
        content_type: str,
        file_size: int,
        *,
        extra: Extra = None,
    ) -> Upload:
        """Step 3: confirm, and get the `upload_id`. `existed` is true when it was confirmed before.

        Args:
            ticket: What `request` gave, or its `r2_key`.
            file_name: As in step 1.
            content_type: As in step 1.
            file_size: As in step 1.
            extra: Fields this version does not know yet.
        """
        body = UploadConfirmation(
            r2_key=ticket if isinstance(ticket, str) else ticket.r2_key,
            file_name=file_name,
            content_type=content_type,
            file_size=file_size,
        )
        return await self._session.send(CONFIRM_UPLOAD, Upload, body=body, extra=extra)

    async def _put(self, ticket: UploadTicket, source: Source, on_progress: Progress | None) -> None:
        try:
            await self._store.put(
                ticket.upload_url,
                partial(_report_pieces, source, on_progress),
                size=source.size,
                content_type=source.content_type,
                endpoint=_PUT,
                replayable=source.replayable,
            )
        except AddressRefused as refused:
            raise UploadRejected(source.name, f"not sent: upload_url {refused.problem}") from None
        await _tell(on_progress, source.size, source.size)

    def _rejection(self, source: Source, failure: TransportError) -> UploadRejected | TransportError:
        if isinstance(failure, StoreRefused):
            problem = in_words(failure, self._session.retry)
            return UploadRejected(source.name, problem, status=failure.status)
        return failure


async def _report_pieces(source: Source, on_progress: Progress | None) -> AsyncIterator[bytes]:
    """Tell of each piece when the next is wanted: then it has gone. Of the last, the store's answer tells."""
    sent = 0
    async with aclosing(source.open()) as chunks:
        async for chunk in chunks:
            if sent:
                await _tell(on_progress, sent, source.size)
            yield chunk
            sent += len(chunk)


async def _tell(on_progress: Progress | None, sent: int, total: int) -> None:
    if on_progress is not None:
        told = on_progress(sent, total)
        if inspect.isawaitable(told):
            await told
