// Runs the same work over a plain pg.Pool and over a forksafe pool, in a process that forks: `main.js [--json]`.
import { parseArgs } from 'node:util'
import { compare } from './compare.ts'
import { INTRODUCTION, jsonLine, report } from './report.ts'
import { isFlawless } from './tally.ts'
import { messageOf } from './within.ts'

const interruption = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => interruption.abort(signal))
}

try {
  const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })
  const say = (text: string) => {
    if (!values.json) console.log(text)
  }
  say(`${INTRODUCTION}\n`)
  const comparison = await compare(interruption.signal, say)
  say(`\n${report(comparison, mayColour())}`)
  if (values.json) console.log(jsonLine(comparison))
  process.exitCode = isFlawless(comparison.forksafe) ? 0 : 1
} catch (error) {
  process.exitCode = 1
  // Everything is stopped: exit like an interrupted process.
  if (interruption.signal.aborted) process.kill(process.pid, interruption.signal.reason as string)
  else console.error(messageOf(error))
}

function mayColour(): boolean {
  return process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === ''
}
