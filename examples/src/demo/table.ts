import { styleText } from 'node:util'
import { CONNECTIONS } from './plan.ts'
import { TITLES } from './pools.ts'
import type { Tally } from './tally.ts'

interface Cell {
  readonly text: string
  readonly good: boolean
}

const NUMBER_WIDTH = 10

export function table(plain: Tally, forksafe: Tally, colour: boolean): string {
  const cells = { plain: column(plain), forksafe: column(forksafe) }
  const labels = Object.keys(cells.plain)
  const width = Math.max(...labels.map((label) => label.length))
  const line = (label: string, ...rest: string[]) => `  ${label.padEnd(width)}${rest.join('')}`
  const show = (cell: Cell | undefined) => (cell === undefined ? '' : paint(cell, colour))
  return [
    line('', TITLES.plain.padStart(NUMBER_WIDTH), TITLES.forksafe.padStart(NUMBER_WIDTH)),
    ...labels.map((label) => line(label, show(cells.plain[label]), show(cells.forksafe[label]))),
  ].join('\n')
}

function column(tally: Tally): Record<string, Cell> {
  return {
    'right answers': count(tally.right, true),
    'wrong answers': count(tally.wrong),
    '  rows of another process': count(tally.foreign),
    errors: count(tally.errors),
    unanswered: count(tally.unanswered),
    'children that crashed': count(tally.childCrashes.length),
    "parent's connections kept": {
      text: `${tally.backendsKept} of ${CONNECTIONS}`,
      good: tally.backendsKept === CONNECTIONS,
    },
    "parent's open transaction kept": yesOrNo(tally.transactionLost === undefined),
    "parent's query in flight answered": yesOrNo(tally.inFlightLost === undefined),
  }
}

function count(number: number, wanted = false): Cell {
  return { text: number.toLocaleString('en'), good: wanted || number === 0 }
}

function yesOrNo(good: boolean): Cell {
  return { text: good ? 'yes' : 'no', good }
}

function paint({ text, good }: Cell, colour: boolean): string {
  const padded = text.padStart(NUMBER_WIDTH)
  return colour ? styleText(good ? 'green' : 'red', padded) : padded
}
