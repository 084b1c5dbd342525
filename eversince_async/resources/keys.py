"""Keys: the account's API keys. Source: the account page."""

from eversince_async._redaction import register_secret
from eversince_async._wire.endpoints import CREATE_KEY, LIST_KEYS, REVOKE_KEY
from eversince_async.models._base import ItemList
from eversince_async.models.keys import Key, KeyDraft, NewKey, RevokedKey
from eversince_async.resources._base import Extra, Resource


class Keys(Resource):
    """The methods of `eversince.keys`."""

    async def create(self, name: str, *, extra: Extra = None) -> NewKey:
        """Create a key; an account has at most 10.

        Only this response shows the key's secret.

        Args:
            name: The name of the key, at most 100 characters.
            extra: Fields this version does not know yet.

        Raises:
            ApiError: The account has 10 keys already (the status of this error is not documented).
            OutcomeUnknown: The key may have been created; its secret is then lost, so revoke the key.
        """
        new = await self._session.send(CREATE_KEY, NewKey, body=KeyDraft(name=name), extra=extra)
        register_secret(new.key, new)
        return new

    async def list(self, *, extra: Extra = None) -> ItemList[Key]:
        """Return the account's keys, which show their prefixes only."""
        return await self._session.send(LIST_KEYS, ItemList[Key], extra=extra)

    async def revoke(self, key_id: str, *, extra: Extra = None) -> RevokedKey:
        """Revoke a key at once.

        Revoking the key in use locks this client out.

        Raises:
            NotFound: There is no such key.
        """
        return await self._session.send(REVOKE_KEY, RevokedKey, ids={"key_id": key_id}, extra=extra)
