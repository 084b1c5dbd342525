"""Keys: the account's API keys. Source: the account page."""

from eversince_async._redaction import register_secret
from eversince_async._wire.endpoints import CREATE_KEY, LIST_KEYS, REVOKE_KEY
from eversince_async.models._base import ItemList
from eversince_async.models.keys import Key, KeyDraft, NewKey, RevokedKey
from eversince_async.resources._base import Extra, Resource


class Keys(Resource):
    """`eversince.keys`."""

    async def create(self, name: str, *, extra: Extra = None) -> NewKey:
        """Create a key; at most 10 an account. The answer shows its secret this once.

        Args:
            name: At most 100 characters.
            extra: Fields this version does not know yet.

        Raises:
            ApiError: The account has 10 keys already (which status says so is not documented).
            OutcomeUnknown: It may have been created; its secret is then lost, so revoke it.
        """
        new = await self._session.send(CREATE_KEY, NewKey, body=KeyDraft(name=name), extra=extra)
        register_secret(new.key, new)
        return new

    async def list(self, *, extra: Extra = None) -> ItemList[Key]:
        """The account's keys, by their prefixes."""
        return await self._session.send(LIST_KEYS, ItemList[Key], extra=extra)

    async def revoke(self, key_id: str, *, extra: Extra = None) -> RevokedKey:
        """Revoke a key, at once. Revoking the one in use locks this client out.

        Raises:
            NotFound: There is no such key.
        """
        return await self._session.send(REVOKE_KEY, RevokedKey, ids={"key_id": key_id}, extra=extra)
