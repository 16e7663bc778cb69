import { build } from './build-element.ts'
import { changePlace, type Place, placeAddress } from './place.ts'

/** Opens details in the drawer; in a new tab or window it is a link like any other. */
export function createPlaceLink(text: string, change: Place, look = ''): HTMLAnchorElement {
  const link = build('a', { class: look }, text)
  link.href = placeAddress(change)
  link.addEventListener('click', (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return
    event.preventDefault()
    changePlace(change)
  })
  return link
}
