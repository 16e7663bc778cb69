import { actionGroup } from './line/command-spec.ts'
import { followSession } from './sessions/follow-session.ts'
import { endOne, getOne, listAll } from './sessions/listed-sessions.ts'
import { openFromShell } from './sessions/open-from-shell.ts'
import { showTimeline } from './sessions/shown-timeline.ts'

export const sessions = actionGroup({
  summary: 'List, show, open, end and follow sessions',
  about: "A project's key sees the sessions of its project.",
  actions: {
    list: listAll,
    get: getOne,
    timeline: showTimeline,
    open: openFromShell,
    end: endOne,
    follow: followSession,
  },
  otherwise: 'list',
  examples: [
    { line: 'greenroom sessions --status ACTIVE', does: 'Who is talking now' },
    { line: 'greenroom sessions open echo-agent --hold', does: 'Open one, and keep it until Ctrl-C' },
    { line: 'greenroom sessions follow', does: 'What happens, as it happens' },
  ],
})
