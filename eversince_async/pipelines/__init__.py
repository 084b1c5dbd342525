"""Pipelines: plain async functions with durable effects.

```python
@pipeline
async def campaign(run: Run, brief: str, photo: Path) -> Campaign:
    product = await run.upload(photo)
    master = await run.produce(brief, references=[product], share=True)
    vertical = await run.variation(master, "Create a 9:16 version for TikTok")
    if not await run.approval("ship it?", show=vertical):  # waits for days, holds no slot
        return Campaign(master, None)
    return Campaign(master, await run.render_and_share(vertical))

result = await eversince.run(campaign, "Launch film", Path("mug.png"), key="mug-2026")
```

The journal records each step before and after its execution. A run under the same key repeats no completed
step, and finds out the outcome of a step that was in progress.
"""

from eversince_async.pipelines.approvals import Approval
from eversince_async.pipelines.definition import Pipeline, pipeline
from eversince_async.pipelines.events import ApprovalRequested, StepCompleted, StepStarted
from eversince_async.pipelines.run import Run

__all__ = ["Approval", "ApprovalRequested", "Pipeline", "Run", "StepCompleted", "StepStarted", "pipeline"]
