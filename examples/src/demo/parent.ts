// Executes one of the two runs, in a separate process that forks: `parent.js <kind> <url> <ledger>`.
import { fork, forkSupported } from '@forksafe/testkit'
import { Ledger } from './ledger.ts'
import { CHILDREN, LIMIT_MILLIS } from './plan.ts'
import { openPool, type Kind } from './pools.ts'
import { setScene } from './scene.ts'
import { messageOf } from './within.ts'
import { runQueries } from './workload.ts'

const [kind, url, ledgerPath] = process.argv.slice(2) as [Kind, string, string]
const ledger = new Ledger(ledgerPath)

// The process that started this one has exited. The children exit with this process.
process.on('disconnect', () => process.exit(1))
// An ordinary program would crash here. This one must continue, to report the rest.
process.on('uncaughtException', (error) => noteCrash(0, error))

try {
  await run()
} catch (error) {
  noteCrash(0, error)
  process.exitCode = 1
}
// Connections that a fork has corrupted might never close.
process.exit()

async function run(): Promise<void> {
  const pool = openPool(kind, url)
  const look = await setScene(pool, url, `note_${kind}`)

  const children: Promise<void>[] = []
  const support = forkSupported()
  if (!support.supported) ledger.write({ what: 'unforked', reason: support.reason })
  for (let number = 1; support.supported && number <= CHILDREN; number++) {
    const work = () => runQueries(pool, number, ledger)
    const child = await fork(work, { timeoutMillis: LIMIT_MILLIS + 5_000 })
    children.push(child.result.catch((error: unknown) => noteCrash(number, error)))
  }

  await runQueries(pool, 0, ledger)
  await Promise.all(children)
  ledger.write({ what: 'found', found: await look() })
}

function noteCrash(number: number, error: unknown): void {
  ledger.write({ what: 'crash', process: number, message: messageOf(error) })
}
