import { startProcessKubelet } from './process-kubelet.ts'

/**
 * The process kubelet as a process of its own, so that a benchmark does not count its work as its own:
 * `node kubelet-program.ts OPTIONS`, options as JSON: those of startProcessKubelet that are data. Ends on SIGTERM.
 */
const [text = ''] = process.argv.slice(2)
const kubelet = await startProcessKubelet({
  ...JSON.parse(text),
  onEvent: (event) => console.log(JSON.stringify({ time: new Date().toISOString(), ...event })),
})
console.log(JSON.stringify({ ready: true, node: kubelet.nodeName }))
process.once('SIGTERM', () => {
  void kubelet.stop().then(() => process.exit(0))
})
