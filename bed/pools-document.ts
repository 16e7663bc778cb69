/** pools.yaml of the bed: echo agents from this checkout; the stella types are there and empty, for want of an image. */
export function poolsDocument(echo: {
  min: number
  max: number
  /** Its agents load LiveKit's library while they are idle. */
  warmRoom?: boolean
  more?: string
}): string {
  const env = echo.warmRoom ? '      env: [{ name: AGENT_WARM_ROOM, value: "on" }]\n' : ''
  const more = (echo.more ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => `    ${line}\n`)
    .join('')
  return `pools:
  echo-agent:
    template:
      image: greenroom:0.1.0
      command: ["node", "src/agent/echo-agent.ts"]
${env}    min: ${echo.min}
    max: ${echo.max}
${more}  stella-agent: { template: { image: "stella-agent:1.0.0" }, min: 0, max: 16 }
  stella-light: { template: { image: "stella-light:1.0.0" }, min: 0, max: 8 }
`
}
