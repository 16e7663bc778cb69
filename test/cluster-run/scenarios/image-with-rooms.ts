import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { buildGreenroomImage } from '../build-greenroom-image.ts'
import { confinedPods } from '../confined-pods.ts'
import type { ImageArchive } from '../image-archive.ts'
import { expect, type Scenario } from '../scenario.ts'
import { billOfMaterials } from './image-files.ts'

const library = '@livekit/rtc-node'
/** Its native part has to load on the base's C library, as an agent does it before it joins. */
const program = `const { Room, dispose } = await import('${library}'); new Room(); console.log('loaded'); await dispose()`

export const imageWithRooms: Scenario = {
  name: 'image-with-rooms',
  shows: `the image with ${library}, for agents that join rooms (ROOMS=yes)`,
  async run({ archive: plain, check, cluster, folder, image, load, say }) {
    if (!plain || !load) {
      say('not run: the image was given, and this is another one')
      return
    }
    const name = `${image}-rooms`
    const files = join(folder, 'rooms')
    await mkdir(files)
    const archive = await buildGreenroomImage({ folder: files, name, rooms: true })
    await check('the library is there, another Node is not', async () => contents(archive, plain))
    await check('bill of materials', () => billOfMaterials(archive))
    await load(archive.path)
    const pods = await confinedPods(cluster)
    try {
      await check('the library loads on a root that cannot be written', async () => {
        await pods.start('rooms', { image: name, command: ['node', '--input-type=module', '-e', program] })
        const { code, output } = await pods.outcome('rooms')
        expect(code === 0 && output.includes('loaded'), `ended with ${code}: ${output}`)
        return output.trim()
      })
    } finally {
      await pods.remove()
    }
  },
}

function contents(archive: ImageArchive, plain: ImageArchive): string {
  const holds = ({ paths }: ImageArchive, part: string) => paths.some((path) => path.includes(part))
  const otherNode = archive.paths.find((path) => /\/node_modules\/node-(linux|bin)-/.test(path))
  expect(holds(archive, `/node_modules/${library}/`), `${library} is missing`)
  expect(!holds(plain, `/node_modules/${library}/`), `${library} is in the image without rooms too`)
  expect(otherNode === undefined, `it has another Node: ${otherNode}`)
  return `${((archive.bytes.own - plain.bytes.own) / 1024 / 1024).toFixed(0)} MiB more`
}
