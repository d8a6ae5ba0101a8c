import type { Comparison } from './compare.ts'
import { CHILDREN, CONNECTIONS, QUERIES_PER_PROCESS } from './plan.ts'
import { TITLES } from './pools.ts'
import { sentences } from './sentences.ts'
import { table } from './table.ts'
import type { Tally } from './tally.ts'

export const INTRODUCTION = [
  'A process fills a pool with connections to PostgreSQL, holds one in an open transaction and has a',
  'query in flight on another. Then it forks: each child has a copy of the pool, and of its sockets.',
  'Parent and children all go on using the pool.',
].join('\n')

/** Formats the result for people. */
export function report({ postgresVersion, plain, forksafe }: Comparison, colour: boolean): string {
  const { unforked } = forksafe
  const cast =
    unforked === undefined ? `a parent and ${CHILDREN} forked children` : 'one process, not forked'
  return [
    `Node ${process.versions.node}, PostgreSQL ${postgresVersion}: ${cast},`,
    `${QUERIES_PER_PROCESS} queries each, a pool of ${CONNECTIONS} connections.`,
    '',
    table(plain, forksafe, colour),
    '',
    ...paragraph(TITLES.plain, plain),
    '',
    ...paragraph(TITLES.forksafe, forksafe),
    ...(unforked === undefined ? [] : ['', ...notForked(unforked)]),
  ].join('\n')
}

function paragraph(title: string, tally: Tally): string[] {
  return [`Over ${title}:`, ...sentences(tally).map((sentence) => `  ${sentence}`)]
}

function notForked(reason: string): string[] {
  return [
    `No real fork can be made here: ${reason}.`,
    'These are the figures of a process alone; what a fork does to either pool they cannot show.',
  ]
}

/** Formats the result for programs, in one line. */
export function jsonLine({ plain, forksafe }: Comparison): string {
  return JSON.stringify({
    processes: forksafe.processes,
    queriesPerProcess: QUERIES_PER_PROCESS,
    plain: figures(plain),
    forksafe: figures(forksafe),
    parentBackendsKept: forksafe.backendsKept === CONNECTIONS,
    parentTransactionKept: forksafe.transactionLost === undefined,
    ...(forksafe.unforked === undefined ? {} : { notForked: forksafe.unforked }),
  })
}

function figures({ right, wrong, errors, unanswered }: Tally) {
  return { right, wrong, errors, unanswered }
}
