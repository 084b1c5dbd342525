"""A process that works on a journal's free jobs.

It ends when all jobs are done. Tests run it.
"""

import asyncio
import sys

from eversince_async.journal import JobChange, SqliteJournal


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - what the test reads


async def work(path: str, seconds_each: float) -> None:
    async with SqliteJournal(path) as journal:
        say("ready")
        sys.stdin.readline()
        while set(await journal.counts()) != {"done"}:
            for job in await journal.take("new", limit=2):
                effect = await journal.effect(job.id, "render")
                if effect is None:
                    effect = await journal.intent(job.id, "render", {})
                else:
                    effect = await journal.intent_again(effect)
                say(f"begun {job.id}")
                await asyncio.sleep(seconds_each)
                await journal.done(effect, job=JobChange(stage="done", release=True))
                say(f"done {job.id}")
            await asyncio.sleep(0.01)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], float(sys.argv[2])))
