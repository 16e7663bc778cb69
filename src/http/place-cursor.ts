import { hash } from 'node:crypto'
import { GreenroomError } from '../errors.ts'

/** Opaque to callers: a place in a list, and the project that its reader is bound to. */
export function cursorOf(place: readonly (string | number)[], boundTo?: string): string {
  const marked = boundTo === undefined ? place : [...place, projectMark(boundTo)]
  return Buffer.from(JSON.stringify(marked)).toString('base64url')
}

/**
 * The place, whose parts the caller still has to look at. A cursor of another project is refused. It would show nothing of
 * that project: the list is its reader's own.
 */
export function placeOf(cursor: string, boundTo?: string): readonly unknown[] {
  try {
    const place: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (Array.isArray(place) && (boundTo === undefined || place.at(-1) === projectMark(boundTo))) return place
  } catch {
    // Not a cursor of ours: refused below like every other wrong one.
  }
  throw wrongCursor()
}

export function wrongCursor(): GreenroomError {
  return new GreenroomError('GRN_INVALID_REQUEST', '/cursor: is not one that this API gave out.')
}

/** Short whatever the project's name: a cursor has at most 200 characters. */
function projectMark(projectId: string): string {
  return hash('sha256', projectId, 'base64url').slice(0, 22)
}
