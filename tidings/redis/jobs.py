"""The arq job that carries a batch to a consumer: its name, its arguments and its encoding.

arq passes a job around as a dict of five short keys (its version is pinned for that); msgpack carries it rather than
pickle, so that write access to Redis is no way to run code here.
"""

from typing import Any, Final

import msgspec

DELIVER: Final = "deliver"
"""The one function that consumers offer: `deliver(batch_id: str, slot: str, quarantined: bool)`."""

# The hook is for what arq would keep of a failed job (an exception); it is not kept, but arq encodes it first.
_encoder = msgspec.msgpack.Encoder(enc_hook=repr)
_decoder = msgspec.msgpack.Decoder(dict[str, Any])


def serialize(job: dict[str, Any]) -> bytes:
    """arq's `job_serializer`."""
    return _encoder.encode(job)


def deserialize(job: bytes) -> dict[str, Any]:
    """arq's `job_deserializer`; whatever it raises makes arq put the job aside and log it."""
    return _decoder.decode(job)
