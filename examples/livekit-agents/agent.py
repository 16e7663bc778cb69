"""A LiveKit Agents program in its direct-join form: it reads its room from the environment and joins with a token.

`greenroom agent-exec -- python agent.py` starts it. No API key and no API secret: the token opens this one room.
Instead of a language model it repeats what people write, so it needs no other service.
"""

import asyncio
import os
import signal

from livekit import rtc
from livekit.agents import Agent, AgentSession
from livekit.agents.llm import LLM, ChatContext
from livekit.agents.voice.room_io import RoomOptions


class NoModel(LLM):
    """Stands where yours goes, for example `openai.LLM()`. It is never asked, because `llm_node` answers."""

    def chat(self, **_):
        raise NotImplementedError


class Repeater(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Repeat what you are told.")

    async def llm_node(self, chat_ctx: ChatContext, tools, model_settings):
        """Where an agent of yours asks its model."""
        yield f"You said: {chat_ctx.messages()[-1].text_content}"


async def main() -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)

    room = rtc.Room()
    room.on("disconnected", lambda *_: over.set())
    await room.connect(os.environ["LIVEKIT_URL"], os.environ["LIVEKIT_TOKEN"])

    session = AgentSession(llm=NoModel())
    await session.start(
        Repeater(), room=room, room_options=RoomOptions(audio_input=False, audio_output=False)
    )
    if fd := os.environ.get("GREENROOM_JOINED_FD"):
        os.write(int(fd), b".")

    await over.wait()
    await session.aclose()
    await room.disconnect()


asyncio.run(main())
