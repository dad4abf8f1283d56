"""A day of a hundred million messages over several cells, of which one is lost at noon, in virtual time.

What is real: the concurrency and its fair shares (`consumers.limiter`), the circuit breakers
(`consumers.breaker`), what becomes of an attempt (`consumers.outcomes`), when a message is tried again
(`tidings.domain.retry`), and the defaults of `tidings.settings`. They run on an event loop whose clock jumps to the
next thing that happens.

What is simulated: the receivers (how long they take, how much they take in a second, when they are away); the clients;
Postgres, as a table in memory that is claimed from in the order of `sql/queries/batches.sql`; and a cell's machine, as
a rate of messages that it can work through, retries and what is sent back included.

What is left out, and what that does to the numbers:

- A simulated message stands for a *weight* of messages that share their fate, so the concurrency, its shares and the
  failures that open a breaker are divided by the weight, and the consumers of a cell are one. Lateness below a second,
  and what single failures do among many successes, cannot be seen here: a receiver fails in episodes or not at all. A
  breaker's probe is as large as any message.
- Only the machine and the receivers take time: claims, publishing and outcomes cost what is in the rate. Leases, slots
  offered and batches lost singly are not here; what was under way in a lost cell comes back with it.
- A cell is lost as a whole and comes back with all that it had committed.
"""
