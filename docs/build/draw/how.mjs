// @ts-check
import { picture, text, WIDTH } from './svg.mjs'

/**
 * Identity, generation and lease, before a fork and after it, in either process.
 * @returns {Record<string, string>} by file
 */
export function drawHow() {
  const height = 468
  const said =
    'Before the fork one process, incarnation 1, has generation 1 of the pool with two idle connections and one that is ' +
    'lent by a lease. After the fork the parent has all of it still. The child is incarnation 2: generation 1 is ' +
    'discarded without a byte, its lease is stale, and the next acquire opens a connection in generation 2.'
  return {
    'how-it-works.svg': picture(height, 'Identity, generation and lease, through a fork', said, [
      ...process(0, 0, WIDTH, 'process', 'incarnation 1', [
        { title: 'generation 1', kind: 'right', notes: ['idle', 'idle', 'lent: a lease holds it'] },
      ]),
      line(WIDTH / 2, 152, 96, 196),
      line(WIDTH / 2, 152, 304, 196),
      text(WIDTH / 2, 184, 'fork', { anchor: 'middle', bold: true }),
      ...process(0, 200, 192, 'parent', 'incarnation 1', [
        { title: 'generation 1', kind: 'right', notes: ['idle', 'idle', 'lent, as before'] },
      ]),
      ...process(208, 200, 192, 'child', 'incarnation 2', [
        {
          title: 'generation 1',
          kind: 'unanswered',
          notes: ['discarded:', 'no byte, no FIN', 'its lease is stale'],
        },
        { title: 'generation 2', kind: 'right', notes: ['opened when', 'somebody asks'] },
      ]),
    ]),
  }
}

/**
 * @param {number} x
 * @param {number} y
 * @param {number} width
 * @param {string} name
 * @param {string} identity
 * @param {{ title: string, kind: string, notes: string[] }[]} generations
 */
function process(x, y, width, name, identity, generations) {
  let top = y + 54
  const inner = generations.flatMap(({ title, kind, notes }) => {
    const from = top
    top += 40 + notes.length * 20
    return [
      `<rect class="line" x="${x + 12}" y="${from}" width="${width - 24}" height="${top - from - 10}" rx="6"/>`,
      `<rect class="${kind}" x="${x + 12}" y="${from}" width="6" height="${top - from - 10}" rx="3"/>`,
      text(x + 28, from + 21, title, { size: 14, bold: true }),
      ...notes.map((note, n) => text(x + 28, from + 41 + n * 19, note, { size: 13, kind: 'soft' })),
    ]
  })
  return [
    `<rect class="paper" x="${x}" y="${y}" width="${width}" height="${top - y}" rx="8"/>`,
    text(x + 12, y + 22, name, { size: 15, bold: true }),
    text(x + 12, y + 42, identity, { size: 13, kind: 'soft' }),
    ...inner,
  ]
}

/**
 * @param {number} x1
 * @param {number} y1
 * @param {number} x2
 * @param {number} y2
 */
function line(x1, y1, x2, y2) {
  return `<path class="line" d="M${x1} ${y1}L${x2} ${y2}"/>`
}
