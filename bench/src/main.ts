// The program: node dist/main.js [part...] [--quick] [--check] [--json]
import { startPostgres } from '@forksafe/scripts/postgres'
import { type Arguments, readArguments, usage } from './arguments.ts'
import { environment } from './environment.ts'
import { pin } from './measure/pin.ts'
import { text } from './report/text.ts'
import type { Part, Results } from './results.ts'
import { measureAfterFork } from './scenarios/after-fork.ts'
import { measureColdStart } from './scenarios/cold-start.ts'
import { measureHeap } from './scenarios/heap.ts'
import { measureDetection, measureLending, measureUnshared } from './scenarios/lending.ts'
import { measureQueries, SERVERS_PROCESSOR } from './scenarios/queries.ts'
import { measureQuiet } from './scenarios/quiet.ts'
import { measureSharing } from './scenarios/sharing.ts'
import { measureStorm } from './scenarios/storm.ts'
import { judge, type Verdict } from './targets.ts'

const partsOnServer = [
  'queries',
  'sharing',
  'quiet',
  'coldStart',
  'afterFork',
] as const satisfies Part[]

async function main({ json, check, quick, parts }: Arguments): Promise<void> {
  const where = environment()
  const results: Results = {}
  if (parts.includes('lending')) {
    progress('acquire, release and use')
    results.lending = await measureLending(quick)
  }
  if (parts.includes('detection')) {
    progress('looking for forks')
    results.detection = await measureDetection(quick)
  }
  if (parts.includes('unshared')) {
    progress('acquires of resources that could be shared')
    results.unshared = await measureUnshared(quick)
  }
  if (parts.includes('heap')) {
    progress('heap')
    results.heap = await measureHeap(quick)
  }
  if (parts.includes('storm')) {
    progress('storms')
    results.storm = await measureStorm(quick)
  }
  if (partsOnServer.some((part) => parts.includes(part))) {
    // The server inherits the pinning.
    where.apart = pin(process.pid, SERVERS_PROCESSOR)
    await using server = await startPostgres({ tls: false })
    where.postgres = server.version
    if (parts.includes('queries')) {
      progress('queries')
      results.queries = await measureQueries(quick, server.url)
      progress('queries without a server')
      results.instantQueries = await measureQueries(quick)
    }
    if (parts.includes('sharing')) {
      progress('shared connections')
      results.sharing = await measureSharing(quick, server.url)
    }
    if (parts.includes('quiet')) {
      progress('a quiet service')
      results.quiet = await measureQuiet(quick, server.url)
    }
    if (parts.includes('coldStart')) {
      progress('cold starts')
      results.coldStart = await measureColdStart(quick, server.url)
    }
    if (parts.includes('afterFork')) {
      progress('the first answer after a fork')
      results.afterFork = await measureAfterFork(server.url, quick)
    }
  }
  const verdicts = judge(results)
  console.log(`\n${text(where, results, verdicts)}`)
  if (check) fail(verdicts)
  if (json)
    console.log(JSON.stringify({ environment: where, quick, ...results, targets: verdicts }))
}

function fail(verdicts: readonly Verdict[]): void {
  for (const { target, limit, measured, outcome } of verdicts) {
    if (outcome !== 'missed') continue
    console.error(`Missed: ${target}: expected ${limit}, got ${measured?.toFixed(2)}.`)
    process.exitCode = 1
  }
}

function progress(what: string): void {
  console.error(`Measuring ${what} ...`)
}

try {
  const given = readArguments(process.argv.slice(2))
  if (given === 'help') console.log(usage)
  else await main(given)
} catch (error) {
  console.error(error)
  process.exitCode = 1
}
