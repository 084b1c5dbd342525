"""Discovery: models, voices, cost estimates. Source: the catalogue."""

from collections.abc import Sequence

from eversince_async._wire.endpoints import ESTIMATE_COST, LIST_MODELS, LIST_VOICES
from eversince_async.models._base import ItemList
from eversince_async.models.discovery import Estimate, EstimateRequest, GenerationModel, Operation, Voice
from eversince_async.resources._base import Extra, Resource


class Discovery(Resource):
    """The methods of `eversince.discovery`."""

    async def models(self, *, type: str | None = None, extra: Extra = None) -> ItemList[GenerationModel]:  # noqa: A002 - the API's own word
        """Return the generation models.

        Args:
            type: `video` or `image`; None for both.
            extra: Query parameters this version does not know yet.
        """
        return await self._session.send(
            LIST_MODELS, ItemList[GenerationModel], query={"type": type}, extra=extra
        )

    async def voices(self, *, gender: str | None = None, extra: Extra = None) -> ItemList[Voice]:
        """Return the voiceover voices.

        To get one, name it in the brief or in a message.

        Args:
            gender: `male`, `female` or `neutral`; None for all.
            extra: Query parameters this version does not know yet.
        """
        return await self._session.send(LIST_VOICES, ItemList[Voice], query={"gender": gender}, extra=extra)

    async def estimate_cost(self, operations: Sequence[Operation], *, extra: Extra = None) -> Estimate:
        """Estimate the cost of planned operations, in credits.

        Args:
            operations: 1 to 50 operations.
            extra: Fields this version does not know yet.

        Returns:
            The price of each operation; `is_partial` is true if the server could not price some (their items
            say why).
        """
        body = EstimateRequest(operations=tuple(operations))
        return await self._session.send(ESTIMATE_COST, Estimate, body=body, extra=extra)
