// @ts-check
import * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'
import { readFileSync } from 'node:fs'

const style = readFileSync(new URL('../../.vitepress/theme/pictures.css', import.meta.url), 'utf8')
const { document } = parseHTML('<!doctype html><html></html>')

/** The width of the pictures. Phones show them slightly smaller. */
const WIDTH = 400

/** Returns the colour of a kind, light or dark, from `pictures.css`. */
export const colour = (/** @type {string} */ kind) => `var(--fs-${kind})`

/**
 * Returns a picture with a title above it, as SVG.
 * @param {Plot.PlotOptions & { title: string, subtitle: string, ariaLabel: string, ariaDescription: string }} options
 */
export function picture({ title, subtitle, ...options }) {
  const at = /** @type {const} */ ({
    frameAnchor: 'top-left',
    dx: -(options.marginLeft ?? 0),
    textAnchor: 'start',
  })
  const svg = Plot.plot({
    ...options,
    document,
    width: WIDTH,
    className: 'fs-picture',
    marks: [
      words([title], { ...at, dy: -34, fontSize: 16, fontWeight: 600 }),
      words([subtitle], { ...at, dy: -14, fill: colour('soft') }),
      ...(options.marks ?? []),
    ],
  })
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg')
  // The page determines the size.
  svg.removeAttribute('width')
  svg.removeAttribute('height')
  svg.setAttribute('role', 'img')
  // The colours, for a picture outside of a page.
  svg.querySelector('style')?.append(`\n${style}`)
  return `${svg.outerHTML}\n`
}

/**
 * Returns text that is hidden from screen readers, because the picture's description contains it.
 * @param {Plot.Data} data
 * @param {Plot.TextOptions} options
 */
export function words(data, options) {
  return Plot.text(data, { fill: colour('text'), fontSize: 13, ...options })
}

/** @param {number} value */
export function figure(value, places = 0) {
  return value.toLocaleString('en', {
    minimumFractionDigits: places,
    maximumFractionDigits: places,
  })
}
