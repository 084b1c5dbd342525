"""Feedback: bugs, suggestions and questions to the vendor. Source: the account page."""

from eversince_async._wire.endpoints import SEND_FEEDBACK
from eversince_async.models._base import UNSET, Unset
from eversince_async.models.feedback import Feedback, FeedbackReceipt
from eversince_async.resources._base import Extra, Resource


class FeedbackBox(Resource):
    """The methods of `eversince.feedback`."""

    async def send(
        self,
        type: str,  # noqa: A002 - the API's own word
        message: str,
        *,
        project_id: str | Unset = UNSET,
        extra: Extra = None,
    ) -> FeedbackReceipt:
        """Send feedback to the vendor.

        Args:
            type: `bug`, `suggestion` or `question`.
            message: At most 5,000 characters.
            project_id: The project it is about.
            extra: Fields this version does not know yet.

        Raises:
            OutcomeUnknown: The feedback may or may not have arrived.
        """
        body = Feedback(type=type, message=message, project_id=project_id)
        return await self._session.send(SEND_FEEDBACK, FeedbackReceipt, body=body, extra=extra)
