import { levelPaces } from '../processes/process-pace.ts'
import { startProcessKubelet } from './process-kubelet.ts'

/**
 * The process kubelet as a process of its own, so that a benchmark does not count its work as its own:
 * `node kubelet-program.ts OPTIONS`, options as JSON (those of startProcessKubelet that are data, and
 * `paced`, which is true unless given). Ends on SIGTERM.
 */
const [text = ''] = process.argv.slice(2)
const { paced = true, ...options } = JSON.parse(text)
if (!paced) levelPaces()
const kubelet = await startProcessKubelet({
  ...options,
  onEvent: (event) => console.log(JSON.stringify({ time: new Date().toISOString(), ...event })),
})
console.log(JSON.stringify({ ready: true, node: kubelet.nodeName }))
process.once('SIGTERM', () => {
  void kubelet.stop().then(() => process.exit(0))
})
