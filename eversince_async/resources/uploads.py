"""Uploads: request a URL, PUT the bytes, confirm.

Source: the output page and the catalogue.
"""

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
    """The methods of `eversince.uploads`."""

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
        """Upload a file in all three steps.

        Briefs and messages can then refer to the file by its `upload_id`.

        The bytes are streamed, so memory does not grow with the file. If the transfer breaks, a file or bytes
        are sent again to a fresh URL; a stream can be read only once.

        Cancelling this call leaves at most an unconfirmed upload, which is harmless.

        Args:
            content: A path, the bytes, or an async stream of bytes.
            name: The file name to send; by default the name of a path, required for anything else.
            content_type: The MIME type; by default guessed from the name.
            size: The size in bytes; required for a stream.
            on_progress: Called with the bytes sent and the bytes in all, after each piece; may be async. If a
                file is sent again, the count starts again.

        Raises:
            UploadRejected: The file is missing, too large for every revision, or changed while it was read;
                or the store or the API's limits refused it.
            InvalidRequest: A required name or size is missing.
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
            ValidationFailed: The server does not accept the type or the size.
        """
        body = UploadRequest(file_name=file_name, content_type=content_type, file_size=file_size)
        return await self._session.send(REQUEST_UPLOAD, UploadTicket, body=body, extra=extra)

    async def put(
        self, ticket: UploadTicket, content: Content, *, name: str, content_type: str, size: int
    ) -> None:
        """Step 2: send the bytes to the presigned URL.

        The API key is not sent.

        Args:
            ticket: The result of `request`.
            content: A path, the bytes, or an async stream of bytes.
            name: The file's name, for errors.
            content_type: The same as in step 1.
            size: The same as in step 1, in bytes.

        Raises:
            UploadRejected: The store refused the bytes, e.g. because the URL has expired.
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
        """Step 3: confirm the upload, and get its `upload_id`.

        The field `existed` is true if the upload was confirmed before.

        Args:
            ticket: The result of `request`, or its `r2_key`.
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
    """Yield the pieces of a source, and report their progress.

    A piece is reported when the next one is requested, because it has been sent by then. The caller reports
    the last piece, after the store's response.
    """
    sent = 0
    async with aclosing(source.open()) as chunks:
        async for chunk in chunks:
            if sent:
                await _tell(on_progress, sent, source.size)
            yield chunk
            sent += len(chunk)


async def _tell(on_progress: Progress | None, sent: int, total: int) -> None:
    if on_progress is not None:
        result = on_progress(sent, total)
        if inspect.isawaitable(result):
            await result
