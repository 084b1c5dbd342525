"""The agent: makes plans, pictures, videos, sound and variations, and says so.

These are plain synchronous changes to one project; the lifecycle decides when they happen. Media are stored
as paths of the storage, so that they remain valid when a restarted emulator listens on another address.
"""

import hashlib
import re
from random import Random
from typing import Final

import attrs

from eversince_async.emulator.account import Account
from eversince_async.emulator.errors import Json
from eversince_async.emulator.project import Project, Variation, iso
from eversince_async.emulator.scenario import Scenario

_SHOTS: Final = (
    "Opening shot of {}",
    "Close-up on the details of {}",
    "{} in everyday life",
    "Wide establishing shot around {}",
    "Hands at work with {}",
    "Closing frame: {}",
)
_VERSION: Final = re.compile(
    r"\b(21:9|16:9|9:16|1:1)\b[^.]*?\bversion(?:\s+for\s+([\w -]{1,40}))?", re.IGNORECASE
)
_SWITCH: Final = re.compile(r"\bswitch\b.*?\b(var_\w+)", re.IGNORECASE | re.DOTALL)
_DELETE: Final = re.compile(r"\bdelete\b.*?\b(var_\w+)", re.IGNORECASE | re.DOTALL)
_DUPLICATE: Final = re.compile(r"\bduplicate\b.*\bvariation\b", re.IGNORECASE | re.DOTALL)


def say(project: Project, role: str, content: str, at: float) -> None:
    """Add a message to the conversation.

    The latest words of the agent also become the project's `agent_message`.
    """
    project.messages.append(
        {
            "id": f"msg_{project.number:05x}{len(project.messages) + 1:04x}",
            "role": role,
            "content": content,
            "source": "chat",
            "created_at": iso(at),
        }
    )
    if role == "assistant" and content:
        project.agent_message = content


@attrs.frozen
class Agent:
    """The agent at work on one project.

    Attributes:
        project: The project.
        account: The account that pays.
        scenario: Rules for costs and amounts.
        at: Time of the work, in Unix seconds.
        rng: Source of the agent's random choices.
    """

    project: Project
    account: Account
    scenario: Scenario
    at: float
    rng: Random

    def do(self, work: str) -> None:
        """Do one part of a run's work."""
        match work:
            case "plan":
                self.plan()
            case "images":
                self.paint()
            case "videos":
                self.film()
            case "all":
                self.paint()
                if self.project.output == "assembled":
                    self.film()
            case "retake":
                self.retake()

    def plan(self) -> None:
        """Lay out the scenes of the first variation."""
        project = self.project
        if project.variations:
            return
        project.variations.append(
            Variation(id="var_001", title="Original", aspect_ratio=project.aspect_ratio, created_at=self.at)
        )
        project.active_variation = "var_001"
        count = self.rng.randint(*self.scenario.scenes)
        if project.output == "assembled":
            shots = [_SHOTS[at % (len(_SHOTS) - 1)] for at in range(count - 1)] + [_SHOTS[-1]]
            project.variations[0].scenes = [self._scene(at, shot) for at, shot in enumerate(shots)]
        say(project, "assistant", f"I planned {count} scenes for {self._subject()}.", self.at)

    def paint(self) -> None:
        """Make a picture for every scene, or the requested pictures."""
        variation = self._variation()
        if self.project.output == "assets":
            for at in range(self.rng.randint(*self.scenario.scenes)):
                self._picture(self._ref("image", at), _SHOTS[at % len(_SHOTS)].format(self._subject()))
            return
        for scene in variation.scenes:
            path = self._picture(scene["ref"], scene["prompt"])
            scene.update(type="image", image_url=path, image_model=self._image_model)

    def film(self) -> None:
        """Make a clip for every scene, then the sound."""
        variation = self._variation()
        for scene in variation.scenes:
            self._shoot(scene, scene["position"])
        self._sound(variation)
        variation.overlays = [
            {
                "id": "text-0",
                "type": "text",
                "content": (self.project.title or "Your Brand"),
                "start_time": max(0.0, _length(variation) - 3.0),
                "duration": 3.0,
                "position": "bottom-center",
                "font_size": 48,
                "color": "#FFFFFF",
                "background_color": "rgba(0,0,0,0.5)",
                "width": None,
                "opacity": None,
            }
        ]
        variation.captions = {"enabled": True, "preset": "clean"}

    def retake(self) -> None:
        """Make one scene's clip again, or one more picture."""
        variation = self._variation()
        if self.project.output == "assets" or not variation.scenes:
            self._picture(self._ref("image", len(self.project.assets)), self._subject())
        else:
            scene = variation.scenes[self.rng.randrange(len(variation.scenes))]
            self._shoot(scene, len(self.project.assets))

    def closing_words(self) -> str:
        """Return the agent's last message of a run.

        It is a response to a message, a question, or the news that the project is complete.
        """
        project = self.project
        if project.works:
            pictures = "pictures" if project.assets else "plan"
            return f"The {pictures} for {self._subject()} are ready for review. Shall I go on?"
        if project.pending is not None:
            return self.fulfil(project.pending)
        if project.output == "assets":
            return f"Your project is complete. {len(project.assets)} assets are ready."
        return f"Your project is complete. {len(self._variation().scenes)} scenes ready for review."

    def fulfil(self, wish: str) -> str:
        """Change the variations as a message asks, and return the response."""
        project = self.project
        if found := _SWITCH.search(wish):
            return self._switch(found[1])
        if found := _DELETE.search(wish):
            return self._delete(found[1])
        if _DUPLICATE.search(wish):
            return self._vary(self._variation(), None, None)
        if found := _VERSION.search(wish):
            return self._vary(self._variation(), found[1], (found[2] or "").strip() or None)
        if project.output == "assets":
            return f"Done. {len(project.assets)} assets are ready."
        scenes = len(self._variation().scenes)
        return f"Done. I changed the film as you asked; {scenes} scenes are ready for review."

    def _switch(self, variation_id: str) -> str:
        if self.project.variation(variation_id) is None:
            return f"There is no variation {variation_id}."
        self.project.active_variation = variation_id
        return f"{variation_id} is the active variation now."

    def _delete(self, variation_id: str) -> str:
        project = self.project
        if project.variation(variation_id) is None or variation_id == project.active_variation:
            return f"I cannot delete {variation_id}: it is the active variation or does not exist."
        project.variations = [each for each in project.variations if each.id != variation_id]
        return f"I deleted {variation_id}."

    def _vary(self, original: Variation, aspect_ratio: str | None, purpose: str | None) -> str:
        """Copy a variation, perhaps in another aspect ratio."""
        project = self.project
        last = max(int(each.id.removeprefix("var_")) for each in project.variations)
        ratio = aspect_ratio or original.aspect_ratio
        variation = attrs.evolve(
            original,
            id=f"var_{last + 1:03}",
            title=f"{purpose} Version"
            if purpose
            else f"{original.title} (copy)"
            if not aspect_ratio
            else ratio,
            description=f"{ratio} version for {purpose}" if purpose else None,
            aspect_ratio=ratio,
            created_at=self.at,
            scenes=[{**scene, "id": f"{scene['id']}_{last + 1}"} for scene in original.scenes],
            tracks=[dict(track) for track in original.tracks],
            overlays=[dict(overlay) for overlay in original.overlays],
            captions=dict(original.captions),
        )
        project.variations.append(variation)
        if self.scenario.activate_variations:
            project.active_variation = variation.id
        return f'I made the variation {variation.id} ("{variation.title}", {ratio}).'

    # -- Parts ------------------------------------------------------------------------------------

    @property
    def _image_model(self) -> str:
        return self.project.image_model or "nano-banana-pro"

    @property
    def _video_model(self) -> str:
        return self.project.video_model or "kling-3.0"

    def _variation(self) -> Variation:
        """Return the active variation.

        The agent plans one now if a given walk left out the plan.
        """
        if not self.project.variations:
            self.plan()
        return self.project.variation() or self.project.variations[0]

    def _subject(self) -> str:
        words = self.project.brief.split()[:8]
        return " ".join(words)[:60].rstrip(".,;:") or "the subject"

    def _ref(self, kind: str, at: int) -> str:
        return hashlib.sha256(f"{self.project.id}:{kind}:{at}".encode()).hexdigest()[:8]

    def _scene(self, at: int, shot: str) -> Json:
        description = shot.format(self._subject())
        return {
            "id": f"scene_{at + 1:03}",
            "ref": self._ref("image", at),
            "type": "empty",
            "position": at,
            "duration": self.rng.choice((3.0, 4.0, 5.0)),
            "description": description,
            "image_url": None,
            "video_url": None,
            "video_model": None,
            "image_model": None,
            "prompt": f"{description}, {self.project.aspect_ratio}, soft light",
            "volume": 1,
            "fade_in": 0.5 if at == 0 else None,
            "fade_out": None,
        }

    def _asset(self, ref: str, kind: str, ending: str, model: str, prompt: str, **more: object) -> str:
        path = f"/media/{self.project.id}/{ref}.{ending}"
        self.project.assets.append(
            {
                "ref": ref,
                "type": kind,
                "url": path,
                "model": model,
                "prompt": prompt,
                "duration": None,
                "aspect_ratio": None,
                "source_image_url": None,
                "source_video_url": None,
                "reference_image_url": None,
                "created_at": iso(self.at),
                **more,
            }
        )
        return path

    def _picture(self, ref: str, prompt: str) -> str:
        self.account.spend(self.scenario.image_credits)
        return self._asset(
            ref, "image", "png", self._image_model, prompt, aspect_ratio=self.project.aspect_ratio
        )

    def _shoot(self, scene: Json, at: int) -> None:
        self.account.spend(self.scenario.video_credits)
        ref = self._ref("video", at)
        path = self._asset(
            ref,
            "video",
            "mp4",
            self._video_model,
            scene["prompt"],
            duration=scene["duration"],
            aspect_ratio=self._variation().aspect_ratio,
            source_image_url=scene["image_url"],
        )
        scene.update(ref=ref, type="video", video_url=path, video_model=self._video_model)

    def _sound(self, variation: Variation) -> None:
        """Make a voiceover and music for the whole video."""
        self.account.spend(2 * self.scenario.audio_credits)
        length = _length(variation)
        script = f"This is {self._subject()}."
        voice, music = self._ref("voice", 0), self._ref("music", 0)
        spoken = self._asset(voice, "audio", "wav", "eleven-v3", script, duration=length - 0.5)
        played = self._asset(music, "audio", "wav", "lyria-2", "Warm ambient bed", duration=length)
        variation.tracks = [
            {
                "id": "track_001",
                "type": "voiceover",
                "url": spoken,
                "duration": length - 0.5,
                "volume": 1,
                "start_time": 0.5,
                "name": "Main narration",
                "voice": "Isabella",
                "voice_id": "voice_001",
                "language": "en",
                "script": script,
                "genre": None,
                "mood": None,
                "bpm": None,
            },
            {
                "id": "track_002",
                "type": "music",
                "url": played,
                "duration": length,
                "volume": 0.4,
                "start_time": 0,
                "name": "Music",
                "voice": None,
                "voice_id": None,
                "language": None,
                "script": None,
                "genre": "ambient",
                "mood": "warm",
                "bpm": 72,
            },
        ]


def _length(variation: Variation) -> float:
    return float(sum(scene["duration"] for scene in variation.scenes))
