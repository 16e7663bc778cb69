import { startProcessKubelet } from './process-kubelet.ts'

/**
 * The process kubelet as a process of its own, so that its work is not counted as the work of who measures:
 * `node kubelet-program.ts OPTIONS`, options as JSON (those of startProcessKubelet that are data). Ends on SIGTERM.
 */
const [options = ''] = process.argv.slice(2)
const kubelet = await startProcessKubelet({
  ...JSON.parse(options),
  onEvent: (event) => console.log(JSON.stringify({ time: new Date().toISOString(), ...event })),
})
console.log(JSON.stringify({ ready: true, node: kubelet.nodeName }))
process.once('SIGTERM', () => {
  void kubelet.stop().then(() => process.exit(0))
})
