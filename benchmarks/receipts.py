"""Figure 21: receipts kept a second.

Reports of messages that a gateway took come in hundreds, as large providers send them, and go through the group commit
of the API into a real Postgres: looked up by the provider's id among all that was sent, and written beside the status.
One in twenty comes a second time, and one in a hundred before its message is known. With it: what the index costs for a
message that a gateway took, on disk.

What would make it lie: without HTTP, which is measured by figures 6 and 7 and costs the same whatever is in a body; ids
are those of one provider (34 letters), of which the index keeps a hash of 4 bytes; messages were all sent in this week.
"""

import asyncio
import random
import time
from collections.abc import Sequence

from api.http.group_commit import GroupCommit
from benchmarks.rig.figure import Numbers, Round
from benchmarks.rig.system import system
from sql.receipts import Kept, NewReceipt
from tidings.domain.states import Receipt

REQUEST = 100
CLIENTS = 8
GATEWAY = "twilio"


async def measure(current: Round) -> Numbers:
    count = current.pick(100_000, 2_000)
    async with system(current.machine) as running:
        await running.database.run("put_at_gateway", count=count, gateway=GATEWAY)
        size = await running.database.run("size_of_index", name="messages_at_gateway")
        await running.database.run("checkpoint")
        ids = [row["id"] for row in await running.database.rows("ids_at_gateway")]
        rng = random.Random(1)
        rng.shuffle(ids)
        ids += rng.sample(ids, count // 20)
        ids += [f"SM{number:032}" for number in range(count // 100)]
        requests = [[_report(each) for each in ids[start : start + REQUEST]] for start in range(0, len(ids), REQUEST)]
        commits: GroupCommit[NewReceipt, Kept] = GroupCommit(
            running.store.receipts.record, what="receipts", concurrency=2
        )
        began = time.perf_counter()
        await asyncio.gather(*(_client(commits, requests[client::CLIENTS]) for client in range(CLIENTS)))
        seconds = time.perf_counter() - began
        await commits.close()
    return {"receipts kept (receipts/s)": len(ids) / seconds, "its index (bytes/message)": size / count}


def _report(provider_message_id: str) -> NewReceipt:
    return NewReceipt(gateway=GATEWAY, provider_message_id=provider_message_id, receipt=Receipt.DELIVERED)


async def _client(commits: GroupCommit[NewReceipt, Kept], requests: Sequence[Sequence[NewReceipt]]) -> None:
    for request in requests:
        await commits.put_all(request)
