// @ts-check
import { readFileSync } from 'node:fs'

const style = readFileSync(new URL('../../.vitepress/theme/pictures.css', import.meta.url), 'utf8')

/** All pictures are as wide; a phone shows them a little smaller than they are drawn. */
export const WIDTH = 400

/**
 * @param {number} height
 * @param {string} title for those who cannot see it
 * @param {string} description
 * @param {string[]} parts
 */
export function picture(height, title, description, parts) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="fs-picture" viewBox="0 0 ${WIDTH} ${height}" role="img">`,
    `<title>${escape(title)}</title>`,
    `<desc>${escape(description)}</desc>`,
    `<style>\n${style}</style>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

/**
 * @param {number} x
 * @param {number} y
 * @param {string} words
 * @param {{ size?: number, kind?: 'text' | 'soft', bold?: boolean, anchor?: 'start' | 'middle' | 'end' }} [how]
 */
export function text(x, y, words, { size = 14, kind = 'text', bold, anchor } = {}) {
  const weight = bold ? ' font-weight="600"' : ''
  const align = anchor === undefined ? '' : ` text-anchor="${anchor}"`
  return `<text class="${kind}" x="${round(x)}" y="${round(y)}" font-size="${size}"${weight}${align}>${escape(words)}</text>`
}

/**
 * @param {number} x
 * @param {number} y
 * @param {number} width
 * @param {number} height
 * @param {string} kind
 */
export function bar(x, y, width, height, kind) {
  const size = `width="${round(width)}" height="${round(height)}"`
  return `<rect class="${kind}" x="${round(x)}" y="${round(y)}" ${size} rx="2"/>`
}

/** @param {number} value */
export function figure(value, places = 0) {
  return value.toLocaleString('en', {
    minimumFractionDigits: places,
    maximumFractionDigits: places,
  })
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10
}

/** @param {string} words */
function escape(words) {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
