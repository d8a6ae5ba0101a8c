// @ts-check
// Runs one server for the process that started this one, and outlives that process just long enough to end the server and
// remove its folder. Requests come as lines of JSON on stdin. The status goes into a file, not into a pipe: a forked copy of
// that process would read from the pipe as well. Plain JavaScript, because Node runs it from the sources too.
import { spawn } from 'node:child_process'
import { openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const ESCALATE_AFTER_MILLIS = 5_000

const [folder = '', ...signals] = process.argv.slice(2)
const endSignals = /** @type {NodeJS.Signals[]} */ (signals)
const log = openSync(join(folder, 'log'), 'a')
/** @type {import('node:child_process').ChildProcess | undefined} */
let server
let ending = false

for (const signal of /** @type {const} */ (['SIGTERM', 'SIGINT', 'SIGHUP'])) {
  process.on(signal, () => end(endSignals))
}
// A fork of the parent may hold the pipe open for longer than the parent lives.
const parent = process.ppid
setInterval(() => {
  if (process.ppid !== parent) end(endSignals)
}, 500)

createInterface({ input: process.stdin })
  .on('line', (line) => obey(JSON.parse(line)))
  .on('close', () => end(endSignals))

/** @param {{ verb: 'start', number: number } & import('./supervised.ts').Command | { verb: 'signal' | 'end', signal: NodeJS.Signals }} request */
function obey(request) {
  if (request.verb === 'start') start(request)
  else if (request.verb === 'signal') server?.kill(request.signal)
  else end([request.signal, ...endSignals])
}

/** @param {{ number: number } & import('./supervised.ts').Command} request */
function start({ number, command, args, account, env }) {
  const child = spawn(command, args, { ...account, env, cwd: folder, stdio: ['ignore', log, log] })
  server = child
  const gone = (/** @type {string} */ how) => {
    server = undefined
    report({ number, pid: child.pid, gone: how })
  }
  child.once('spawn', () => report({ number, pid: child.pid }))
  child.once('error', (error) => gone(error.message))
  child.once('exit', (code, signal) => gone(signal ?? `exit code ${code}`))
}

/** @param {object} status */
function report(status) {
  if (ending) return
  writeFileSync(join(folder, 'status.new'), JSON.stringify(status))
  renameSync(join(folder, 'status.new'), join(folder, 'status'))
}

/** @param {NodeJS.Signals[]} signals each is tried until the server is gone */
function end(signals) {
  if (ending) return
  ending = true
  if (!server) finish()
  server?.once('exit', finish)
  signals.forEach((signal, index) => {
    setTimeout(() => server?.kill(signal), index * ESCALATE_AFTER_MILLIS)
  })
}

function finish() {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  process.exit()
}
