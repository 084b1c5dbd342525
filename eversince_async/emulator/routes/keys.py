"""Operations on API keys."""

import secrets

from eversince_async.emulator.call import Answer, Call
from eversince_async.emulator.errors import not_found, validation
from eversince_async.emulator.project import iso


def create(call: Call) -> Answer:
    """Respond to POST /keys; no other response shows the whole key."""
    fields = call.fields()
    name = fields.text("name", required=True, longest=100, blank=False)
    fields.check()
    most = call.world.limits.keys
    if most is not None and len(call.account.keys) >= most:
        raise validation(f"Maximum of {most} API keys reached")
    text = f"es_live_{secrets.token_hex(20)}"
    key = call.world.add_key(call.account, name or "", text, call.now)
    body = {
        "id": key.id,
        "name": key.name,
        "key": text,
        "key_prefix": key.prefix,
        "created_at": iso(key.created_at),
        "message": "Store this key securely. It will not be shown again.",
    }
    return Answer(body=body, status=201)


def listing(call: Call) -> Answer:
    """Respond to GET /keys."""
    return Answer(body={"keys": [call.views.key(key) for key in call.account.keys.values()]})


def revoke(call: Call) -> Answer:
    """Respond to DELETE /keys/:id.

    The key is revoked at once, even if this call was made with it.
    """
    if call.id not in call.account.keys:
        raise not_found("API key")
    call.world.revoke_key(call.account, call.id)
    return Answer(body={"id": call.id, "revoked": True})
