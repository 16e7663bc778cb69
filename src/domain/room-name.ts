/** A session's room in LiveKit. It holds the session id, because LiveKit has one namespace of rooms for everybody. */
export function roomName(agentType: string, sessionId: string): string {
  return `${agentType}-${sessionId}`
}

const sessionRoom = /^.+-([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})$/

/** The session that this room is named after; undefined for rooms of another form, which are somebody else's. */
export function sessionOfRoom(room: string): string | undefined {
  return sessionRoom.exec(room)?.[1]
}
