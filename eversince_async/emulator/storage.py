"""The storage: presigned PUTs, videos and other media, and share pages.

The storage has its own origin, as on the real service: here it listens on another port. It knows no API keys
and refuses a presigned PUT that sends one. None of these requests counts against the request window.
"""

import asyncio
import hashlib
import html
import re
from typing import Final

import attrs
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from eversince_async import clock
from eversince_async.emulator import media
from eversince_async.emulator.account import Upload
from eversince_async.emulator.api import ApiHandler, http_date
from eversince_async.emulator.connection import hang_up, reset, until_gone
from eversince_async.emulator.errors import ApiError, forbidden, method_not_allowed, not_found, validation
from eversince_async.emulator.faults import ErrorAnswer, Fault, Latency, Reset, Stall, Truncated
from eversince_async.emulator.log import Entry
from eversince_async.emulator.media import Piece
from eversince_async.emulator.project import Project, Render
from eversince_async.emulator.request_target import RequestTarget
from eversince_async.emulator.world import World

_LARGEST: Final = 500 * 2**20
_KEPT: Final = 256 * 1024
_KEPT_IN_ALL: Final = 64 * 2**20
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


@attrs.define(kw_only=True)
class Storage:
    """Handles every request outside `/api/v1`.

    Attributes:
        world: All state.
        door: The API handler, which builds refusals in the documented envelope and saves changes.
        video_bytes: Size to which every rendered video is padded; None for no padding.
        contents: Contents of the latest small uploads by storage key, for tests to read.
    """

    world: World
    door: ApiHandler
    video_bytes: int | None
    contents: dict[str, bytes] = attrs.field(factory=dict)

    async def handle(self, request: web.BaseRequest, target: RequestTarget) -> web.StreamResponse:
        """Respond to one request."""
        now = clock.wall_seconds()
        entry = Entry(now, request.method, target.path, api=False, request_id=self.door.request_id())
        self.world.log.add(entry)
        faults = self.door.faults.strike(request.method, target.path, by_chance=False)
        self.world.advance(now)
        try:
            for fault in faults:
                await _strike(request, fault)
            answer = await self._answer(request, target, faults)
        except ApiError as refusal:
            answer = self.door.refuse(refusal)
        entry.status = answer.status
        return answer

    async def _answer(
        self, request: web.BaseRequest, target: RequestTarget, faults: list[Fault]
    ) -> web.StreamResponse:
        parts = target.parts(target.path)
        query = target.parameters()
        match parts:
            case ["storage", *rest] if query is not None:
                return await self._put(request, "/".join(rest), target.path, query)
            case ["media", project_id, file] if query is not None:
                _need_reading(request)
                return await self._serve(request, self._medium(project_id, file, query), faults)
            case ["shared", file]:
                _need_reading(request)
                return await self._serve(request, self._shared_video(file), faults)
            case ["share", token]:
                _need_reading(request)
                return self._page(token)
        raise not_found("Page")

    # -- Uploads ------------------------------------------------------------------------------------------

    async def _put(
        self, request: web.BaseRequest, r2_key: str, path: str, query: dict[str, str]
    ) -> web.StreamResponse:
        """Receive an upload, holding at most 256 KiB of it in memory."""
        if request.method != "PUT":
            raise method_not_allowed("PUT")
        upload = self._upload_for(request, r2_key, path, query)
        digest, size, content = hashlib.sha256(), 0, bytearray()
        try:
            async for chunk in request.content.iter_any():
                digest.update(chunk)
                size += len(chunk)
                if size <= _KEPT:
                    content += chunk
        except (HttpProcessingError, web.RequestPayloadError):
            raise validation("Request body cannot be read") from None
        upload.stored_size, upload.sha256 = size, digest.hexdigest()
        if size <= _KEPT:
            self._keep(r2_key, bytes(content))
        self.world.touch(self.world.uploads[r2_key][0])
        if self.door.store is not None:
            self.door.store.save(self.world)
        headers = {"ETag": f'"{upload.sha256[:32]}"', "Content-Length": "0"}
        return web.Response(headers={**self._headers(), **headers})

    def _keep(self, r2_key: str, content: bytes) -> None:
        self.contents.pop(r2_key, None)
        self.contents[r2_key] = content
        while sum(map(len, self.contents.values())) > _KEPT_IN_ALL:
            del self.contents[next(iter(self.contents))]

    def _upload_for(self, request: web.BaseRequest, r2_key: str, path: str, query: dict[str, str]) -> Upload:
        """Return the upload for which a PUT is allowed."""
        if "Authorization" in request.headers:
            raise validation("Only one auth mechanism allowed: the URL is pre-authenticated")
        problem = self.world.signer.problem(path, query, clock.wall_seconds())
        known = self.world.uploads.get(r2_key)
        if problem is not None or known is None:
            raise forbidden(problem or "The request signature does not match")
        if request.headers.get("Content-Type", "") != known[1].content_type:
            raise forbidden(f"Content-Type must be {known[1].content_type}, as announced")
        if request.content_length is None:
            raise ApiError(411, "length_required", "Content-Length is required")
        if request.content_length > _LARGEST:
            raise ApiError(413, "payload_too_large", "File exceeds 500 MB")
        return known[1]

    # -- Media --------------------------------------------------------------------------------------------

    def _medium(self, project_id: str, file: str, query: dict[str, str]) -> Piece:
        project = self.world.projects.get(project_id)
        if project is None:
            raise not_found("File")
        if file.startswith("render-"):
            return self._rendered_video(project, file, query)
        asset = next((each for each in project.assets if each["url"].endswith(f"/{project_id}/{file}")), None)
        if asset is None:
            raise not_found("File")
        ratio = asset["aspect_ratio"] or "16:9"
        if asset["type"] == "audio":
            return media.sound(asset["ref"], asset["duration"] or 2.0)
        if asset["type"] == "video":
            return media.film(ratio, f"{project_id} {asset['ref']}")
        return media.picture(asset["ref"], ratio)

    def _rendered_video(self, project: Project, file: str, query: dict[str, str]) -> Piece:
        """Return a rendered video if its signed URL is still valid."""
        path = f"/media/{project.id}/{file}"
        problem = self.world.signer.problem(path, query, clock.wall_seconds())
        if problem is not None:
            raise forbidden(problem)
        for render in project.rendered:
            if render.path.startswith(f"{path}?"):
                return self._film(project, render)
        raise not_found("File")

    def _shared_video(self, file: str) -> Piece:
        known = self.world.shares.get(file.removesuffix(".mp4"))
        if known is None or not file.endswith(".mp4"):
            raise not_found("Share")
        share, project = known
        return self._film(project, project.rendered[share.render - 1])

    def _film(self, project: Project, render: Render) -> Piece:
        return media.film(render.aspect_ratio, f"{project.id} render {render.number}", self.video_bytes)

    async def _serve(self, request: web.BaseRequest, piece: Piece, faults: list[Fault]) -> web.StreamResponse:
        """Send a piece, or the requested range of it."""
        headers = {
            **self._headers(),
            "Content-Type": piece.content_type,
            "ETag": piece.etag,
            "Accept-Ranges": "bytes",
        }
        if request.headers.get("If-None-Match") == piece.etag:
            return web.Response(status=304, headers=headers)
        part = _range(request, piece)
        start, stop = part or (0, piece.size)
        if part is not None:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{piece.size}"
        response = web.StreamResponse(status=200 if part is None else 206, headers=headers)
        response.content_length = stop - start
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        keep = next((fault.keep for fault in faults if isinstance(fault, Truncated)), None)
        if keep is None and self.door.faults.cuts_download():
            keep = 0.5
        end = stop if keep is None else start + int((stop - start) * keep)
        for chunk in piece.chunks(start, end):
            await response.write(chunk)
        if keep is not None:
            hang_up(request)
        return response

    # -- Pages --------------------------------------------------------------------------------------------

    def _page(self, token: str) -> web.StreamResponse:
        """Return the public page of a share, and count a view."""
        known = self.world.shares.get(token)
        if known is None:
            raise not_found("Share")
        share, project = known
        share.view_count += 1
        self.world.touch(self.world.accounts[project.account_id].account)
        title = html.escape(share.title or "Made with Eversince")
        video = html.escape(self.door.views.shared_video(share))
        page = (
            f"<!doctype html><meta charset=utf-8><title>{title}</title><h1>{title}</h1>"
            f"<p>{html.escape(share.description or '')}</p><video controls loop src='{video}'></video>"
        )
        headers = {**self._headers(), "Content-Type": "text/html; charset=utf-8"}
        return web.Response(body=page.encode(), headers=headers)

    def _headers(self) -> dict[str, str]:
        date = int(clock.wall_seconds() + self.door.faults.clock_skew)
        return {
            "X-Request-Id": self.door.request_id(),
            "Date": http_date(date),
            "Server": "eversince-emulator",
        }


def _need_reading(request: web.BaseRequest) -> None:
    if request.method not in {"GET", "HEAD"}:
        raise method_not_allowed("GET, HEAD")


def _range(request: web.BaseRequest, piece: Piece) -> tuple[int, int] | None:
    """Return the single requested range, or None for the whole piece.

    The whole piece is also sent for several ranges and if the piece has changed.
    """
    found = _RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    if found is None or request.headers.get("If-Range", piece.etag) != piece.etag:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if first:
        start = int(first)
        stop = min(int(last) + 1, piece.size) if last else piece.size
    else:
        start, stop = max(0, piece.size - int(last)), piece.size
    if start >= piece.size or stop <= start:
        raise ApiError(
            416,
            "range_not_satisfiable",
            "The range is outside the file",
            {"Content-Range": f"bytes */{piece.size}"},
        )
    return start, stop


async def _strike(request: web.BaseRequest, fault: Fault) -> None:
    """Apply a scripted fault, except one that cuts the transfer later."""
    match fault:
        case ErrorAnswer():
            raise ApiError(fault.status, fault.code, fault.message)
        case Reset():
            reset(request)
        case Stall():
            await until_gone(request)
        case Latency():
            await asyncio.sleep(fault.seconds)
        case _:
            pass
