"""The documented JSON of responses, built from the state.

Only this module makes responses differ between revisions.
"""

import attrs

from eversince_async.emulator.account import Account, Key, Memory, Share, Skill
from eversince_async.emulator.errors import Json
from eversince_async.emulator.limits import UNLIMITED
from eversince_async.emulator.project import Project, Variation, iso
from eversince_async.emulator.revision import RevisionRules

STUDIO = "https://eversince.ai/app/projects/"
"""URL below which the studio shows projects."""


@attrs.frozen
class UrlBuilder:
    """The origins of the emulator's URLs.

    Attributes:
        api: Origin of the API, e.g. "http://127.0.0.1:8000".
        storage: Origin of uploads and media; separate from the API's, as on the real service.
    """

    api: str
    storage: str


@attrs.frozen
class Serializer:
    """Builds the JSON of one revision, with media URLs at one origin.

    Attributes:
        rules: The rules of the revision.
        places: The origins of API and storage.
    """

    rules: RevisionRules
    places: UrlBuilder

    # -- Projects -----------------------------------------------------------------------------------------

    def project(self, project: Project, balance: float) -> Json:
        """Build the response to `GET /projects/:id`."""
        render = project.last_render
        view: Json = {
            "id": project.id,
            "status": project.status,
            "mode": project.mode,
            "output_type": _output_type(project),
            "assembled_url": None if render is None else self.places.storage + render.path,
            "assembled_url_expires_at": None if render is None else iso(render.expires_at),
            "project_url": STUDIO + project.id,
            "agent_message": project.agent_message,
            "variation_id": project.active_variation,
            "created_at": iso(project.created_at),
            "updated_at": iso(project.updated_at),
        }
        if balance <= 100:
            view["credits_warning"] = f"Low credits: {balance:g} left"
        if project.status == "failed":
            view["error_message"] = project.error_message
        return view

    def summary(self, project: Project) -> Json:
        """Build an item of `GET /projects`."""
        render = project.last_render
        view: Json = {
            "id": project.id,
            "source_project_id": project.source_project_id,
            "status": project.status,
            "mode": project.mode,
            "title": project.title,
            "brief": project.brief[:200],
            "assembled_url": None if render is None else self.places.storage + render.path,
            "project_url": STUDIO + project.id,
            "created_at": iso(project.created_at),
            "updated_at": iso(project.updated_at),
        }
        if self.rules.crafts:
            view["expected_output"] = project.expected_output
        return view

    def settings(self, project: Project) -> Json:
        """Build the response to `PATCH /projects/:id/settings`."""
        view: Json = {
            "title": project.title,
            "mode": project.mode,
            "aspect_ratio": project.aspect_ratio,
            "video_model": project.video_model,
            "image_model": project.image_model,
            "agent_model": project.agent_model,
            "webhook_url": project.webhook_url,
        }
        if self.rules.crafts:
            view.update(
                craft=project.craft, craft_auto=project.craft_auto, expected_output=project.expected_output
            )
        else:
            view.update(skills=list(project.skills), reasoning_mode=project.reasoning_mode)
        return view

    def studio_project(self, project: Project) -> Json:
        """Build an item of `GET /projects/discover`."""
        return {
            "project_id": project.id,
            "title": project.title,
            "aspect_ratio": project.aspect_ratio,
            "project_url": STUDIO + project.id,
            "created_at": iso(project.created_at),
            "updated_at": iso(project.updated_at),
        }

    # -- Content ------------------------------------------------------------------------------------------

    def timeline(self, project: Project, variation: Variation | None) -> Json:
        """Build a timeline; it is empty before the agent has planned."""
        scenes = [] if variation is None else [self._with_urls(scene) for scene in variation.scenes]
        tracks = [] if variation is None else [self._with_urls(track) for track in variation.tracks]
        view: Json = {
            "duration_seconds": round(sum(scene["duration"] for scene in scenes), 3),
            "aspect_ratio": project.aspect_ratio if variation is None else variation.aspect_ratio,
            "scenes": scenes,
            "audio": {"voiceover": _voiceover(tracks), "music": _music(tracks), "tracks": tracks},
            "overlays": [] if variation is None else variation.overlays,
            "captions": {"enabled": False, "preset": None} if variation is None else variation.captions,
        }
        if self.rules.crafts:
            view["craft"] = None if project.craft == "auto" else project.craft
        else:
            view["skills"] = list(project.skills)
        return view

    def asset(self, asset: Json) -> Json:
        """Build an item of `GET /projects/:id/assets`."""
        return self._with_urls(asset)

    def variation(self, project: Project, variation: Variation) -> Json:
        """Build an item of `GET /projects/:id/variations`."""
        return {
            "id": variation.id,
            "title": variation.title,
            "description": variation.description,
            "aspect_ratio": variation.aspect_ratio,
            "language": "en",
            "scene_count": len(variation.scenes),
            "is_active": variation.id == project.active_variation,
            "created_at": iso(variation.created_at),
        }

    def memory_of(self, project: Project) -> Json:
        """Build the response to `GET /projects/:id/memory`."""
        contents = _memory_contents(project)
        if self.rules.memory_capacities is None:
            contents["todos"] = contents.pop("plan")
        sections: Json = {
            name: {"content": content, "tokens": -(-len(content) // 4)} for name, content in contents.items()
        }
        view: Json = {
            "sections": sections,
            "total_tokens": sum(section["tokens"] for section in sections.values()),
        }
        if self.rules.memory_capacities is not None:
            for name, capacity in self.rules.memory_capacities.items():
                sections[name]["capacity"] = capacity
            view["total_capacity"] = sum(self.rules.memory_capacities.values())
        return view

    def _with_urls(self, media: Json) -> Json:
        """Return a copy in which storage paths are URLs."""
        storage = self.places.storage
        return {
            name: storage + value if isinstance(value, str) and name.endswith("url") else value
            for name, value in media.items()
        }

    # -- Account ------------------------------------------------------------------------------------------

    def preferences(self, account: Account) -> Json:
        """Build the response to `GET /account/learned-preferences`."""
        view: Json = {
            "content": account.preferences,
            "enabled": account.preferences_enabled,
            "characters": len(account.preferences),
        }
        if self.rules.preferences_characters is not None:
            view["max_characters"] = self.rules.preferences_characters
        return view

    def share_url(self, share: Share) -> str:
        """Return the URL of a share's public page."""
        return f"{self.places.api}/share/{share.token}"

    def shared_video(self, share: Share) -> str:
        """Return the URL of a share's video; it does not expire."""
        return f"{self.places.storage}/shared/{share.token}.mp4"

    def share(self, share: Share) -> Json:
        """Build an item of `GET /account/shares`."""
        return {
            "share_url": self.share_url(share),
            "video_url": self.shared_video(share),
            "title": share.title,
            "aspect_ratio": share.aspect_ratio,
            "view_count": share.view_count,
            "created_at": iso(share.created_at),
        }

    def skill_item(self, skill: Skill) -> Json:
        """Build an item of `GET /account/skills`."""
        view: Json = {
            "id": skill.id,
            "name": skill.name,
            "is_active": skill.is_active,
            "source": "eversince" if skill.platform else "user",
        }
        if skill.platform:
            view["description"] = skill.description
        if self.rules.skills_stack:
            view.update(tokens=skill.tokens, sort_order=skill.sort_order)
        elif skill.platform:
            view.update(category=skill.category, characters=None)
        else:
            view.update(characters=len(skill.instructions), sort_order=skill.sort_order)
        return view

    def skill(self, skill: Skill) -> Json:
        """Build a single skill.

        A user's skill has all fields; a platform skill shows only a few.
        """
        if skill.platform:
            return {**self.skill_switch(skill), "description": skill.description}
        return {
            "id": skill.id,
            "name": skill.name,
            "instructions": skill.instructions,
            "is_active": skill.is_active,
            "source": "user",
            "characters": len(skill.instructions),
            "sort_order": skill.sort_order,
            "created_at": iso(skill.created_at),
            "updated_at": iso(skill.updated_at),
        }

    def skill_switch(self, skill: Skill) -> Json:
        """Build the response to switching a platform skill on or off."""
        view: Json = {
            "id": skill.id,
            "name": skill.name,
            "is_active": skill.is_active,
            "source": "eversince",
        }
        if not self.rules.skills_stack:
            view["category"] = skill.category
        return view

    def memory(self, memory: Memory) -> Json:
        """Build a memory of the user (May)."""
        return {
            "id": memory.id,
            "title": memory.title,
            "body": memory.body,
            "is_active": memory.is_active,
            "sort_order": memory.sort_order,
            "characters": len(memory.body),
            "created_at": iso(memory.created_at),
            "updated_at": iso(memory.updated_at),
        }

    def key(self, key: Key) -> Json:
        """Build an item of `GET /keys`."""
        return {
            "id": key.id,
            "name": key.name,
            "key_prefix": key.prefix,
            "last_used_at": None if key.last_used_at is None else iso(key.last_used_at),
            "created_at": iso(key.created_at),
        }

    def budget(self, used: int, limit: int, *, kept: bool) -> Json:
        """Build a budget; without enforcement its limit is a million."""
        return {"used": used, "limit": limit if kept else UNLIMITED}


def _output_type(project: Project) -> str:
    if project.rendered:
        return "assembled"
    return "assets" if project.output == "assets" and not project.active and project.assets else "pending"


def _voiceover(tracks: list[Json]) -> Json | None:
    track = next((track for track in tracks if track["type"] == "voiceover"), None)
    return track and {
        name: track[name] for name in ("url", "duration", "voice", "voice_id", "language", "script")
    }


def _music(tracks: list[Json]) -> Json | None:
    track = next((track for track in tracks if track["type"] == "music"), None)
    if track is None:
        return None
    named = {name: track[name] for name in ("url", "duration", "genre", "mood", "bpm")}
    return {**named, "role": "background", "instrumental": True}


def _memory_contents(project: Project) -> dict[str, str]:
    """Return the text of the three sections, which grow with the project."""
    scenes = sum(len(variation.scenes) for variation in project.variations[:1])
    if not project.variations:
        return {"creative": "", "plan": "", "assets": ""}
    return {
        "creative": f"Direction: {project.brief[:300]} Visual style: clean, warm light.",
        "plan": f"{scenes} scenes. Left to do: {', '.join(project.works) or 'nothing'}.",
        "assets": f"{len(project.assets)} assets so far. Voice: Isabella (warm, conversational).",
    }
