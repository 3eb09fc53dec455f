"""What the official Python client does against a running server; see `cargo xtask kurrent-clients`."""

import json
import os
import sys
import uuid

from kurrentdbclient import KurrentDBClient, NewEvent, StreamState
from kurrentdbclient.exceptions import (
    AccessDeniedError,
    KurrentDBClientError,
    NotFoundError,
    UnauthenticatedError,
    WrongCurrentVersionError,
)

ADDRESS = os.environ["KURRENT_ADDRESS"]
USER, PASSWORD = os.environ["KURRENT_USER"], os.environ["KURRENT_PASSWORD"]
with open(os.environ["KURRENT_CA"], "rb") as file:
    CA = file.read()
STREAM = f"external-python-{uuid.uuid4()}"


def client(user=USER, password=PASSWORD):
    return KurrentDBClient(
        uri=f"kurrentdb://{user}:{password}@{ADDRESS}?tls=true", root_certificates=CA
    )


def said(text):
    print(f"ok {text}", flush=True)


def restart():
    print("restart", flush=True)
    assert sys.stdin.readline().strip() == "restarted"


def event(number):
    return NewEvent(
        type="OrderPlaced" if number % 2 else "OrderShipped",
        data=json.dumps({"number": number}).encode(),
        metadata=b'{"from": "python"}',
    )


def refused(kind, call):
    try:
        call()
    except kind:
        return
    raise AssertionError(f"{kind.__name__} was expected")


db = client()
first = [event(number) for number in range(6)]
db.append_to_stream(STREAM, current_version=StreamState.NO_STREAM, events=first[0])
db.append_to_stream(STREAM, current_version=0, events=first[1:])
db.append_to_stream(STREAM, current_version=0, events=first[1:])  # again: idempotent
said("appended one event and a batch, twice")

refused(
    WrongCurrentVersionError,
    lambda: db.append_to_stream(STREAM, current_version=2, events=event(9)),
)
refused(
    WrongCurrentVersionError,
    lambda: db.append_to_stream(STREAM, current_version=2, events=[event(9), event(9)]),
)
refused(
    AccessDeniedError,
    lambda: db.append_to_stream(
        "interaction-1", current_version=StreamState.ANY, events=event(9)
    ),
)
refused(AccessDeniedError, lambda: db.delete_stream(STREAM, current_version=5))
refused(AccessDeniedError, lambda: db.tombstone_stream(STREAM, current_version=5))
refused(NotFoundError, lambda: db.get_stream(f"{STREAM}-none"))
refused(
    (UnauthenticatedError, AccessDeniedError),
    lambda: client(password="wrong").get_stream(STREAM),
)
said("wrong version, read-only stream, deletion, missing stream and wrong password were refused")

forward = db.get_stream(STREAM)
assert [it.id for it in forward] == [it.id for it in first]
assert [it.data for it in forward] == [it.data for it in first]
assert forward[0].metadata == b'{"from": "python"}'
backward = db.get_stream(STREAM, backwards=True, limit=2)
assert [it.stream_position for it in backward] == [5, 4]
said("read the stream forward and backward")

everything = tuple(db.read_all())
ours = [it for it in everything if it.stream_name == STREAM]
assert [it.id for it in ours] == [it.id for it in first]
by_type = db.read_all(filter_include=("OrderPlaced",))
assert {it.type for it in by_type} == {"OrderPlaced"}
by_stream = db.read_all(filter_include=(f"{STREAM}",), filter_by_stream_name=True)
assert [it.id for it in by_stream] == [it.id for it in first]
by_prefix = db.read_all(filter_include=("OrderSh",), filter_by_prefix=True, backwards=True)
assert {it.type for it in by_prefix} == {"OrderShipped"}
after = db.read_all(commit_position=ours[3].commit_position)
assert next(iter(after)).id == first[3].id
said("read everything, filtered by type, stream, prefix and look-around")

subscription = db.subscribe_to_all(filter_include=(STREAM,), filter_by_stream_name=True)
seen = []
for recorded in subscription:
    seen.append(recorded)
    if len(seen) == 6:
        break
assert [it.id for it in seen] == [it.id for it in first]
live = event(6)
db.append_to_stream(STREAM, current_version=5, events=live)
assert next(subscription).id == live.id
said("a subscription caught up and went live")

restart()
try:
    while True:
        next(subscription)
except (KurrentDBClientError, StopIteration) as error:
    assert not isinstance(error, StopIteration), "a subscription must not end well"
subscription = db.subscribe_to_stream(STREAM, stream_position=6)
later = event(7)
db.append_to_stream(STREAM, current_version=6, events=later)
assert next(subscription).id == later.id
subscription.stop()
resumed = db.subscribe_to_all(
    commit_position=seen[-1].commit_position,
    filter_include=(STREAM,),
    filter_by_stream_name=True,
)
assert [next(resumed).id, next(resumed).id] == [live.id, later.id]
resumed.stop()
said("resumed both subscriptions after a restart of the server")

db.create_subscription_to_stream("python", STREAM, consumer_strategy="RoundRobin")
consumer = db.read_subscription_to_stream("python", STREAM)
expected = [it.id for it in first] + [live.id, later.id]
got = []
for recorded in consumer:
    got.append(recorded.id)
    if recorded.id == expected[2]:
        consumer.nack(recorded, action="park")
    else:
        consumer.ack(recorded)
    if len(got) == len(expected):
        break
assert got == expected


def until(so):
    # Acknowledgements are not answered.
    for _ in range(10_000):
        if so(db.get_subscription_info("python", stream_name=STREAM)):
            return
    raise AssertionError("it did not come about")


until(lambda it: it.parked_message_count == 1 and it.total_in_flight_messages == 0)
consumer.stop()
db.replay_parked_events("python", stream_name=STREAM)
consumer = db.read_subscription_to_stream("python", STREAM)
again = next(consumer)
assert again.id == expected[2]
consumer.ack(again)
until(lambda it: it.parked_message_count == 0 and it.total_in_flight_messages == 0)
consumer.stop()
assert any(it.group_name == "python" for it in db.list_subscriptions())
db.delete_subscription("python", stream_name=STREAM)
refused(NotFoundError, lambda: db.get_subscription_info("python", stream_name=STREAM))
said("a persistent subscription delivered, parked, replayed and was removed")

card = f"{STREAM}-card"
note = NewEvent(type="Noted", data=b'{"note": "card 4111 1111 1111 1111", "number": 7}')
db.append_to_stream(card, current_version=StreamState.NO_STREAM, events=note)
kept = json.loads(db.get_stream(card)[0].data)
assert "1111" not in kept["note"] and kept["number"] == 7, kept
said("a card number in a text was not stored")

reads = db.get_stream(f"access-{USER}", backwards=True, limit=2)
read = json.loads(reads[1].data)
assert (reads[1].type, read["stream"], read["kind"]) == ("access.log_read", card, "read"), read
said("every read is an event")
db.close()
print("done", flush=True)
