"""The two series of an agent, for `/metrics`, by the standard library. The same names and buckets as Greenroom's SDK for Node."""

import threading

# Seconds: from an echo to a slow model's first token.
BUCKETS = (
    *(0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025),
    *(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


class Metrics:
    """The label is the agent's type alone: with one for each session, Prometheus would keep a series of each for ever."""

    def __init__(self, agent_type):
        self._label = f'agent_type="{agent_type}"'
        self._lock = threading.Lock()
        self._counts = [0] * (len(BUCKETS) + 1)
        self._seconds = 0

    def message_processed(self, seconds):
        """One message of the session was answered, so many seconds after it came."""
        with self._lock:
            place = next((index for index, bound in enumerate(BUCKETS) if seconds <= bound), len(BUCKETS))
            self._counts[place] += 1
            self._seconds += seconds

    def text(self):
        """Prometheus text format. Both series show 0 from the start, so that a rate counts the first message."""
        with self._lock:
            counts, seconds = list(self._counts), self._seconds
        total, name = sum(counts), "agent_response_latency_seconds"
        lines = [
            "# HELP agent_messages_processed_total Messages of the session that the agent has processed.",
            "# TYPE agent_messages_processed_total counter",
            f"agent_messages_processed_total{{{self._label}}} {total}",
            f"# HELP {name} Time from a message to its answer, in seconds.",
            f"# TYPE {name} histogram",
        ]
        below = 0
        for bound, count in zip((*BUCKETS, "+Inf"), counts):
            below += count
            lines.append(f'{name}_bucket{{le="{bound}",{self._label}}} {below}')
        lines += [f"{name}_sum{{{self._label}}} {seconds}", f"{name}_count{{{self._label}}} {total}"]
        return "\n".join(lines) + "\n"
