// @ts-check
import { spawn } from 'node:child_process'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { environment, outcome, root, run } from '../tools.mjs'

const PACKAGES = ['next@16.4.6', 'react@19.3.1', 'react-dom@19.3.1']

/**
 * Builds a route handler that bundles the packages, and asks the Next.js server for its answer.
 * @param {string} project
 */
export async function tryNext(project) {
  const install = ['install', '--no-audit', '--no-fund', ...PACKAGES]
  await run('Installing Next.js', { command: 'npm', args: install, env: env(), cwd: project })

  const cwd = join(project, 'next-site')
  cpSync(join(root, 'scripts/rehearsal/user/next'), cwd, { recursive: true })
  const next = join(project, 'node_modules/next/dist/bin/next')
  const args = [next, 'build']
  await run('next build', { command: process.execPath, args, env: env(), cwd })

  const server = spawn(process.execPath, [next, 'start', '-H', '127.0.0.1', '-p', '0'], {
    cwd,
    env: env(),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = outcome(server)
  try {
    const response = await fetch(new URL('identity', await addressOf(server)))
    const answer = await response.text()
    if (answer !== '{"identity":"page","closed":true}') {
      throw new Error(`Expected Next.js to find koffi and one core, got ${answer}`)
    }
  } finally {
    server.kill()
    await ended
  }
}

/** @param {import('node:child_process').ChildProcessByStdio<null, import('node:stream').Readable, null>} server */
async function addressOf(server) {
  for await (const line of createInterface(server.stdout)) {
    const address = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0]
    if (address !== undefined) return address
  }
  throw new Error('The Next.js server did not start')
}

function env() {
  return { ...environment(), NEXT_TELEMETRY_DISABLED: '1' }
}
