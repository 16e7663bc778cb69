"""The agent's room, by LiveKit's own package `livekit` (optional). Joins, says so, echoes data, and leaves at the end."""

import asyncio
import time

from greenroom_agent import log
from livekit import rtc

FIRST_RETRY_SECONDS = 0.25
LONGEST_RETRY_SECONDS = 5


def stay_in_room(session, metrics):
    """Returns when the session is over. Joins again whenever the connection is lost."""
    asyncio.run(_stay(session, metrics))


async def _stay(session, metrics):
    over = asyncio.create_task(asyncio.to_thread(session.over.wait))
    wait = FIRST_RETRY_SECONDS
    while not over.done():
        room = rtc.Room()
        lost = asyncio.Event()
        room.on("disconnected", lambda *_: lost.set())
        room.on("data_received", lambda packet: asyncio.ensure_future(_echo(room, packet, metrics)))
        try:
            await room.connect(session.livekit["url"], session.livekit["token"])
            log("joined", session=session.id)
            await asyncio.to_thread(session.joined)
            wait = FIRST_RETRY_SECONDS
            await asyncio.wait([over, asyncio.create_task(lost.wait())], return_when=asyncio.FIRST_COMPLETED)
        except rtc.ConnectError as error:
            log("not joined", session=session.id, error=type(error).__name__)
        await room.disconnect()
        if over.done():
            return
        await asyncio.wait([over], timeout=wait)
        wait = min(wait * 2, LONGEST_RETRY_SECONDS)
        await asyncio.to_thread(_fresh, session)


def _fresh(session):
    try:
        session.fresh_livekit()
    except Exception as error:  # The one that is there may still be good, or a repeated assignment brings another.
        log("no fresh token", session=session.id, error=type(error).__name__)


async def _echo(room, packet, metrics):
    began = time.monotonic()
    sender = [packet.participant.identity] if packet.participant else []
    await room.local_participant.publish_data(packet.data, topic=packet.topic, destination_identities=sender)
    metrics.message_processed(time.monotonic() - began)
