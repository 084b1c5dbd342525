"""Discovery: models, voices and cost estimates."""

from eversince_async.emulator.call import Answer, Call
from eversince_async.emulator.errors import Json
from eversince_async.emulator.fixtures import MODEL_IDS, MODELS, PRICES, VOICES
from eversince_async.emulator.validation import Fields

_AUDIO = ("voiceover", "music", "sound_effect")
_MEDIA = ("image", "video")


def models(call: Call) -> Answer:
    """Respond to GET /models."""
    query = call.query_params()
    kind = query.choice("type", ("video", "image"))
    query.check()
    return Answer(body={"models": [model for model in MODELS if kind is None or model["type"] == kind]})


def voices(call: Call) -> Answer:
    """Respond to GET /voices."""
    query = call.query_params()
    gender = query.choice("gender", ("male", "female", "neutral"))
    query.check()
    return Answer(body={"voices": [voice for voice in VOICES if gender is None or voice["gender"] == gender]})


def estimate(call: Call) -> Answer:
    """Respond to POST /estimate-cost.

    An operation that cannot be priced becomes an item with an `error`; the request is not refused.
    """
    fields = call.fields()
    operations = fields.array("operations", required=True, most=50)
    if operations == []:
        fields.problem("operations", "operations must have at least 1 item")
    items = [_item(fields, at, operation) for at, operation in enumerate(operations or [])]
    fields.check()
    body = {
        "items": items,
        "total_credits": round(sum(item["subtotal"] for item in items), 2),
        "is_partial": any("error" in item for item in items),
        "note": "Estimates only; the agent may need more or fewer operations.",
    }
    return Answer(body=body)


def _item(fields: Fields, at: int, operation: object) -> Json:
    if not isinstance(operation, dict):
        fields.problem(f"operations[{at}]", "operation must be an object")
        return {"subtotal": 0}
    inside = fields.within(operation, f"operations[{at}]")
    tool = inside.choice("tool", PRICES, required=True) or ""
    model, kind = inside.text("model"), _kind(inside, tool)
    duration, count = inside.number("duration"), inside.integer("count", least=1, most=100) or 1
    sound, resolution = inside.flag("sound"), inside.text("resolution")
    inside.text("music_model")
    item: Json = {"operation": tool, "credits_per_unit": 0, "count": count, "subtotal": 0}
    if model is not None and model not in MODEL_IDS:
        return {**item, "error": f"Unknown model: {model}"}
    each = PRICES.get(tool, 0.0)
    if tool == "generate_video" or (tool == "upscale_media" and kind == "video"):
        each *= duration or 5.0
    each *= (1.5 if sound else 1.0) * (2.0 if resolution == "4k" else 1.0)
    return {**item, "credits_per_unit": round(each, 2), "subtotal": round(each * count, 2)}


def _kind(inside: Fields, tool: str) -> str | None:
    """Read the `type`; its allowed values depend on the tool."""
    if tool == "generate_audio":
        return inside.choice("type", _AUDIO)
    return inside.choice("type", _MEDIA) if tool == "upscale_media" else inside.text("type")
