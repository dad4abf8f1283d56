-- Retry policies: those of a queue, and the delays of a message that has some of its own or of its queue.

-- Null, which costs nothing, for what the channel does; else as in JSON, {"delays": [seconds]}, and the array alone.
ALTER TABLE queues ADD COLUMN retry jsonb;
ALTER TABLE messages ADD COLUMN retry_delays jsonb;
