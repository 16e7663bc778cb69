/** The version of this code, as in package.json: the session server tells it, and the command line compares it. */
export const greenroomVersion = '0.1.0'

/** The header of every answer of the session API. */
export const versionHeader = 'greenroom-version'
