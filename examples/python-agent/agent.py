"""An agent of Greenroom in Python. Replace `work` by your own."""

from greenroom_agent import serve

try:
    from room import stay_in_room
except ImportError:
    stay_in_room = None


def work(session):
    if stay_in_room and session.livekit:
        stay_in_room(session)
    session.over.wait()


serve(work)
