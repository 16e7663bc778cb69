"""An agent of Greenroom in Python. Replace `work` by your own."""

import os

from greenroom_agent import serve
from metrics import Metrics

try:
    from room import stay_in_room
except ImportError:
    stay_in_room = None

metrics = Metrics(os.environ.get("GREENROOM_AGENT_TYPE", "unknown"))


def work(session):
    if stay_in_room and session.livekit:
        stay_in_room(session, metrics)
    session.over.wait()


serve(work, metrics)
