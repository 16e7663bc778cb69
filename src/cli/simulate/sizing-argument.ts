import { Compile } from 'typebox/compile'
import { checkValue } from '../../domain/checked-document.ts'
import { SizingSpec, sizingProblems } from '../../domain/sizing/sizing-spec.ts'

export interface NamedSizing {
  readonly name: string
  readonly spec: SizingSpec
}

const validator = Compile(SizingSpec)

/**
 * `fixed:7`, `buffer:20%`, `buffer:3`, `hitRate:0.999`, `hitRate:0.999,maxIdle=30`, `hitRate:0.999,idlePodHoursPerDay=100`.
 * @throws TypeError what is wrong, as the ConfigMap's check would say it
 */
export function readSizingArgument(name: string): NamedSizing {
  const [rule = '', rest = ''] = name.split(/:(.*)/s, 2)
  const checked = checkValue<SizingSpec>(specOf(rule, rest), validator, {
    relations: (spec) => sizingProblems(spec, ''),
  })
  if (!checked.ok) throw new TypeError(`--sizing ${name}: ${checked.problems.join('; ')}`)
  return { name, spec: checked.value }
}

function specOf(rule: string, rest: string): unknown {
  if (rule === 'fixed') return { fixed: Number(rest) }
  if (rule === 'buffer')
    return { buffer: rest.endsWith('%') ? { percent: Number(rest.slice(0, -1)) } : { pods: Number(rest) } }
  if (rule !== 'hitRate')
    throw new TypeError(`--sizing ${rule}: takes fixed:N, buffer:N, buffer:N% or hitRate:SHARE`)
  const [target, ...more] = rest.split(',')
  const { idlePodHoursPerDay, ...others } = Object.fromEntries(
    more.map((pair) => {
      const [key = '', value] = pair.split('=', 2)
      return [key, Number(value)]
    }),
  )
  const budget = idlePodHoursPerDay === undefined ? {} : { budget: { idlePodHoursPerDay } }
  return { hitRate: { target: Number(target), ...others, ...budget } }
}
