import { join } from 'node:path'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { build } from '../support/built-manifests.ts'
import { alfredValues } from './document-values/alfred.ts'
import { sekhaValues } from './document-values/sekha.ts'
import { stationValues } from './document-values/station.ts'
import { stellaValues } from './document-values/stella.ts'

/** The documents' values, each in the object that kustomize builds. */

const values = [...stationValues, ...alfredValues, ...sekhaValues, ...stellaValues]

for (const [folder, some] of Map.groupBy(values, ({ built }) => built)) {
  void t.test(folder, async (t) => {
    const objects = await build(join(root, 'examples', folder))
    for (const { item, object, has } of some) {
      const found = objects.find(({ kind, metadata }) => `${kind}/${metadata.name}` === object)
      t.has(found, has, `${item}: ${object}`)
    }
  })
}
