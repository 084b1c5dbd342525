"""Discovery: models, voices, cost estimates. Source: the catalogue."""

from collections.abc import Sequence

from eversince_async._wire.endpoints import ESTIMATE_COST, LIST_MODELS, LIST_VOICES
from eversince_async.models._base import ItemList
from eversince_async.models.discovery import Estimate, EstimateRequest, GenerationModel, Operation, Voice
from eversince_async.resources._base import Extra, Resource


class Discovery(Resource):
    """`eversince.discovery`."""

    async def models(self, *, type: str | None = None, extra: Extra = None) -> ItemList[GenerationModel]:  # noqa: A002 - the API's own word
        """The generation models.

        Args:
            type: `video` or `image`; None for both.
            extra: Query parameters this version does not know yet.
        """
        return await self._session.send(
            LIST_MODELS, ItemList[GenerationModel], query={"type": type}, extra=extra
        )

    async def voices(self, *, gender: str | None = None, extra: Extra = None) -> ItemList[Voice]:
        """The voiceover voices; ask for one by its name in the brief or a message.

        Args:
            gender: `male`, `female` or `neutral`; None for all.
            extra: Query parameters this version does not know yet.
        """
        return await self._session.send(LIST_VOICES, ItemList[Voice], query={"gender": gender}, extra=extra)

    async def estimate_cost(self, operations: Sequence[Operation], *, extra: Extra = None) -> Estimate:
        """Estimate what planned operations would cost, in credits.

        Args:
            operations: 1 to 50.
            extra: Fields this version does not know yet.

        Returns:
            A price for each; `is_partial` when some could not be priced (their items say why).
        """
        body = EstimateRequest(operations=tuple(operations))
        return await self._session.send(ESTIMATE_COST, Estimate, body=body, extra=extra)
